//! Whom a statement reaches: families, twins, minors, the dead, those who asked for another address, and those who agreed to nothing.
#![allow(clippy::unwrap_used, reason = "test code")]

use intake::addressing::address;
use intake::{Addressed, Addressing, AuthoritySettings, ConsentRule, Contacts, MemberSettings, NoAddressRule};
use jiff::civil::{Date, date};
use model::statement::{Member, Program, StatementKind};
use model::{Detail, Private, Statement, Timestamp};

/// 22 November 2026, 12:00 UTC.
const NOON: Timestamp = Timestamp(1_795_348_800_000);

fn contacts(text: &str) -> Contacts {
    Contacts::read(text.as_bytes(), "contacts.csv").unwrap()
}

fn statement(id: &str, given: &str, family: &str, born: Option<Date>) -> Statement {
    let batch = testkit::Batch::new(testkit::Options { rows: 1, ..testkit::Options::default() });
    let mut statement = batch.row(1).statement;
    statement.member = Member {
        id: id.into(),
        name: format!("{given} {family}").into(),
        given_name: given.into(),
        family_name: family.into(),
        birth_date: born,
    };
    statement
}

/// What becomes of a statement, in one line.
fn fate_at(at: Timestamp, contacts: &Contacts, statement: &Statement, settings: &MemberSettings) -> String {
    let addressing = Addressing { statement, also_known_as: &[], named: None, at };
    match address(&addressing, Some(contacts), settings) {
        Addressed::Send { recipient, presentation, .. } => {
            let behalf = if recipient.on_behalf_of { " on behalf" } else { "" };
            format!("{} {}{behalf} ({}, {})", recipient.mailbox.reveal(), recipient.name.reveal(), presentation.detail, presentation.reason)
        }
        Addressed::Paper(presentation) => format!("paper: {}", presentation.paper.unwrap()),
        Addressed::NoAddress(reason) => format!("nobody: {reason}"),
        Addressed::Mismatch => "a person looks".to_owned(),
    }
}

fn fate(contacts: &Contacts, statement: &Statement) -> String {
    fate_at(NOON, contacts, statement, &MemberSettings::default())
}

fn with_rule(consent: ConsentRule) -> MemberSettings {
    MemberSettings { authority: AuthoritySettings { consent, ..AuthoritySettings::default() }, ..MemberSettings::default() }
}

#[test]
fn a_spouse_on_the_subscribers_id_is_written_to_and_not_the_subscriber() {
    let both = contacts(
        "member_id,given_name,family_name,birth_date,email\n\
         S100,Ruth,Example,1980-03-01,ruth@mail.example\n\
         S100,Omar,Example,1979-07-09,omar@mail.example\n",
    );
    let of_omar = statement("S100", "OMAR", "EXAMPLE", None);
    assert_eq!(fate(&both, &of_omar), "omar@mail.example Omar Example (full, default)");
    assert_eq!(fate(&both, &statement("S100", "Ruth", "Example", None)), "ruth@mail.example Ruth Example (full, default)");
    let subscriber_alone = contacts("member_id,given_name,family_name,birth_date,email\nS100,Ruth,Example,1980-03-01,ruth@mail.example\n");
    assert_eq!(fate(&subscriber_alone, &of_omar), "a person looks");
    assert_eq!(fate(&subscriber_alone, &statement("S100", "Omar", "Example", Some(date(1979, 7, 9)))), "a person looks");
}

#[test]
fn twins_share_id_and_birth_date_and_never_a_statement() {
    let born = Some(date(2001, 1, 1));
    let text = "member_id,given_name,family_name,birth_date,email\n\
                T7,Eve,Twin,2001-01-01,eve@mail.example\n\
                T7,Ann,Twin,2001-01-01,ann@mail.example\n";
    let both = contacts(text);
    assert!(fate(&both, &statement("T7", "Ann", "Twin", born)).starts_with("ann@"));
    assert!(fate(&both, &statement("T7", "Eve", "Twin", born)).starts_with("eve@"));
    let one = contacts(&text.lines().take(2).collect::<Vec<_>>().join("\n"));
    assert_eq!(fate(&one, &statement("T7", "Ann", "Twin", born)), "a person looks", "the other twin is not in the file");
    assert_eq!(fate(&one, &statement("T7", "Anna", "Twin", born)), "a person looks");
}

#[test]
fn accents_and_a_married_name_are_one_person_and_another_birth_date_is_not() {
    let file = contacts(
        "member_id;name;birth_date;email\n\
         A1;Zoë Müller-Öz;1990-05-05;zoe@mail.example\n\
         A2;Nora Sample;1985-02-02;nora@mail.example\n",
    );
    assert!(fate(&file, &statement("A1", "ZOE", "MULLER OZ", None)).starts_with("zoe@"));
    let married = statement("A2", "Nora", "Newname", Some(date(1985, 2, 2)));
    assert!(fate(&file, &married).starts_with("nora@"), "the birth date says it is she");
    assert_eq!(fate(&file, &statement("A2", "Nora", "Newname", None)), "a person looks", "nothing but the id says so");
    assert_eq!(fate(&file, &statement("A2", "Nora", "Sample", Some(date(1985, 2, 3)))), "a person looks");
}

#[test]
fn a_minor_is_written_to_by_way_of_a_parent_who_is_valid_today() {
    let header = "member_id,name,birth_date,email,representative_name,representative_email,representative_authority,representative_from,representative_until\n";
    let row = |birth: &str, rest: &str| contacts(&format!("{header}K1,Kim Example,{birth},kim@mail.example,{rest}\n"));
    let kim = statement("K1", "Kim", "Example", None);
    let parent = "Pat Example,pat@mail.example,parent";
    assert_eq!(fate(&row("2015-06-01", &format!("{parent},,")), &kim), "pat@mail.example Pat Example on behalf (full, default)");
    for (rest, why) in [
        (",,,,".to_owned(), "there is none"),
        (format!("{parent},,2026-11-21"), "expired yesterday"),
        (format!("{parent},2026-11-23,"), "begins tomorrow"),
        ("Pat Example,pat@mail.example,,,".to_owned(), "says no authority"),
        ("Pat Example,pat@mail.example,power_of_attorney,,".to_owned(), "no child gives power of attorney"),
    ] {
        assert_eq!(fate(&row("2015-06-01", &rest), &kim), "paper: minor", "{why}");
    }
    assert!(fate(&row("2015-06-01", &format!("{parent},2026-11-22,2026-11-22")), &kim).starts_with("pat@"), "valid on its one day");
    assert!(fate(&row("2008-11-22", &format!("{parent},,")), &kim).starts_with("kim@"), "eighteen today: the parent's authority is over");
    assert!(fate(&row("2008-11-23", &format!("{parent},,")), &kim).starts_with("pat@"), "eighteen tomorrow");
}

#[test]
fn a_guardian_counts_for_an_adult_only_where_it_was_ordered_after_majority() {
    let header = "member_id,name,birth_date,email,representative_name,representative_email,representative_authority,representative_from\n";
    let row = |rest: &str| contacts(&format!("{header}G1,Gil Mock,1990-01-01,gil@mail.example,Lou Guard,lou@law.example,{rest}\n"));
    let gil = statement("G1", "Gil", "Mock", None);
    assert_eq!(fate(&row("guardian,2020-05-05"), &gil), "lou@law.example Lou Guard on behalf (full, default)");
    assert!(fate(&row("guardian,1995-05-05"), &gil).starts_with("gil@"), "of the child that is grown");
    assert!(fate(&row("guardian,"), &gil).starts_with("gil@"));
    assert!(fate(&row("power_of_attorney,2020-05-05"), &gil).starts_with("gil@"), "the member can read");
}

#[test]
fn who_died_is_never_written_to() {
    let header = "member_id,name,birth_date,email,deceased_on,representative_name,representative_email,representative_authority,alternative_address\n";
    let row = |rest: &str| contacts(&format!("{header}D1,Dee Mock,1940-01-01,dee@mail.example,2026-10-01,{rest}\n"));
    let dee = statement("D1", "Dee", "Mock", None);
    assert_eq!(fate(&row(",,,"), &dee), "paper: deceased");
    assert_eq!(fate(&row("Al,al@mail.example,power_of_attorney,"), &dee), "paper: deceased", "it ended with the death");
    let executor = row("Al Mock,al@mail.example,executor,secret@mail.example");
    assert_eq!(fate(&executor, &dee), "al@mail.example Al Mock on behalf (full, default)", "not to the mailbox of the dead");
}

#[test]
fn the_alternative_address_goes_before_the_sensitive_route_and_both_before_the_ordinary_one() {
    let header = "member_id,name,birth_date,email,sensitive_route,alternative_address\n";
    let row = |rest: &str| contacts(&format!("{header}R1,Ray Mock,1990-01-01,ray@mail.example,{rest}\n"));
    let ray = statement("R1", "Ray", "Mock", None);
    assert_eq!(fate(&row(","), &ray), "ray@mail.example Ray Mock (full, default)");
    assert_eq!(fate(&row("private@mail.example,"), &ray), "private@mail.example Ray Mock (full, sensitive_route)");
    assert_eq!(fate(&row("paper,"), &ray), "paper: sensitive_route");
    assert_eq!(fate(&row("paper,safe@mail.example"), &ray), "safe@mail.example Ray Mock (full, default)");
    assert_eq!(fate(&row(",\"PO Box 7, Springfield\""), &ray), "paper: member_choice", "a postal address");
    assert_eq!(fate(&row(",safe@"), &ray), "nobody: address_malformed", "nothing stands in for it");
    assert_eq!(fate(&row("some other way,"), &ray), "nobody: contact_row_rejected", "what is not understood is not passed over");
}

#[test]
fn one_address_of_several_members_gets_a_notice_for_each_and_no_statement_of_the_other() {
    let file = contacts(
        "member_id,name,birth_date,email\n\
         F1,Ada Example,1980-01-01,family@mail.example\n\
         F1,Ben Example,1981-01-01,Family@mail.example\n\
         F2,Cy Sample,1970-01-01,cy@mail.example\n",
    );
    let (ada, ben) = (statement("F1", "Ada", "Example", None), statement("F1", "Ben", "Example", None));
    assert_eq!(fate(&file, &ada), "family@mail.example Ada Example (notice, shared_address)");
    assert_eq!(fate(&file, &ben), "Family@mail.example Ben Example (notice, shared_address)");
    assert!(fate(&file, &statement("F2", "Cy", "Sample", None)).ends_with("(full, default)"));
}

#[test]
fn consent_is_by_kind_and_day_and_a_withdrawal_always_counts() {
    let header = "member_id,name,birth_date,email,consent_kinds,consent_given_on,consent_withdrawn_on\n";
    let row = |rest: &str| contacts(&format!("{header}C1,Cal Mock,1990-01-01,cal@mail.example,{rest}\n"));
    let eob = statement("C1", "Cal", "Mock", None);
    let bill = Statement { kind: StatementKind::Bill, ..eob.clone() };
    let sent = "cal@mail.example Cal Mock (full, default)";
    assert_eq!(fate(&row("eob,2025-01-01,"), &eob), sent);
    assert_eq!(fate(&row("eob,2025-01-01,"), &bill), "paper: no_consent");
    assert_eq!(fate(&row("eob notice,2025-01-01,"), &bill), "cal@mail.example Cal Mock (notice, member_choice)");
    assert_eq!(fate(&row("eob,2026-11-23,"), &eob), "paper: no_consent", "given tomorrow");
    assert_eq!(fate(&row(",,"), &eob), "paper: no_consent");
    assert_eq!(fate(&row("eob,,"), &eob), "paper: no_consent", "the column of days is there, and empty");
    assert_eq!(fate(&row("eob,2025-01-01,2026-11-22"), &eob), "paper: consent_withdrawn", "from the day on");
    assert_eq!(fate(&row("eob,2025-01-01,2026-11-23"), &eob), sent, "tomorrow");
    assert_eq!(fate(&row("eob,2026-05-01,2026-01-01"), &eob), sent, "given again later");
    let never = with_rule(ConsentRule::NotRequired);
    assert_eq!(fate_at(NOON, &row(",,"), &eob, &never), sent);
    assert_eq!(fate_at(NOON, &row("no,,"), &eob, &never), "paper: no_consent", "a plain no is heeded");
    assert_eq!(fate_at(NOON, &row(",,2026-01-01"), &eob, &never), "paper: consent_withdrawn");
    let plain = contacts("member_id,name,birth_date,email\nC1,Cal Mock,1990-01-01,cal@mail.example\n");
    assert_eq!(fate(&plain, &eob), sent, "where the data states no consents, none is asked for");
    assert_eq!(fate_at(NOON, &plain, &eob, &with_rule(ConsentRule::Required)), "paper: no_consent");
    let opt_outs =
        contacts("member_id,name,email,consent_withdrawn_on\nC1,Cal Mock,cal@mail.example,\nC2,Di Mock,di@mail.example,2026-01-01\n");
    assert_eq!(fate(&opt_outs, &eob), sent, "a list of withdrawals alone is no list of consents");
    assert_eq!(fate(&opt_outs, &statement("C2", "Di", "Mock", None)), "paper: consent_withdrawn");
}

#[test]
fn the_row_that_holds_today_decides_and_rows_that_disagree_go_to_a_person() {
    let header = "member_id,name,birth_date,email,effective_from,effective_until\n";
    let old = "E1,Eli Mock,1990-01-01,old@mail.example,,2026-11-21\n";
    let new = "E1,Eli Mock,1990-01-01,new@mail.example,2026-11-22,\n";
    let eli = statement("E1", "Eli", "Mock", None);
    let file = contacts(&format!("{header}{old}{new}"));
    assert!(fate(&file, &eli).starts_with("new@") && fate(&file, &eli).ends_with("(full, default)"), "one person, two rows: not shared");
    let yesterday = Timestamp(NOON.0 - 86_400_000);
    assert!(fate_at(yesterday, &file, &eli, &MemberSettings::default()).starts_with("old@"));
    assert_eq!(fate(&contacts(&format!("{header}{old}")), &eli), "nobody: contact_not_effective");
    let both = contacts(&format!("{header}{}{new}", old.replace("2026-11-21", "")));
    assert_eq!(fate(&both, &eli), "a person looks");
}

#[test]
fn the_tenants_day_is_where_its_members_live() {
    let file = contacts("member_id,name,email,effective_until\nE1,Eli Mock,eli@mail.example,2026-11-22\n");
    // 23 November, 03:00 UTC: still the 22nd in New York.
    let night = Timestamp(NOON.0 + 15 * 3_600_000);
    let eli = statement("E1", "Eli", "Mock", None);
    let new_york = MemberSettings {
        authority: AuthoritySettings { utc_offset_minutes: -300, ..AuthoritySettings::default() },
        ..MemberSettings::default()
    };
    assert_eq!(fate_at(night, &file, &eli, &MemberSettings::default()), "nobody: contact_not_effective");
    assert!(fate_at(night, &file, &eli, &new_york).starts_with("eli@"));
}

#[test]
fn no_setting_joins_on_the_id_alone() {
    let file = contacts("member_id,name,birth_date,email\nX1,,1990-01-01,x@mail.example\n");
    for consent in [ConsentRule::Required, ConsentRule::WhereStated, ConsentRule::NotRequired] {
        for no_address in [NoAddressRule::HandBack, NoAddressRule::ToPaper] {
            let settings = MemberSettings { no_address, ..with_rule(consent) };
            for stranger in [statement("X1", "Ada", "Example", None), statement("X1", "Ada", "Example", Some(date(1991, 1, 1)))] {
                assert_eq!(fate_at(NOON, &file, &stranger, &settings), "a person looks");
            }
        }
    }
}

#[test]
fn without_an_address_it_is_handed_back_or_goes_on_paper_as_the_tenant_says() {
    let file = contacts("member_id,name,email\nN1,Nan Mock,\n");
    let settings = MemberSettings { no_address: NoAddressRule::ToPaper, ..MemberSettings::default() };
    for (id, reason) in [("N1", "nobody: address_missing"), ("N2", "nobody: member_unknown")] {
        let nan = statement(id, "Nan", "Mock", None);
        assert_eq!(fate(&file, &nan), reason);
        assert_eq!(fate_at(NOON, &file, &nan, &settings), "paper: address_missing");
    }
    let nan = statement("N1", "Nan", "Mock", None);
    let addressing = Addressing { statement: &nan, also_known_as: &[], named: None, at: NOON };
    assert_eq!(address(&addressing, None, &settings), Addressed::NoAddress("contact_missing"), "a forgotten file puts no batch on paper");
}

#[test]
fn medicaid_and_employers_get_a_notice() {
    let file = contacts("member_id,name,email\nP1,Pia Mock,pia@claims.acme.example\n");
    let mut pia = statement("P1", "Pia", "Mock", None);
    assert!(fate(&file, &pia).ends_with("(full, default)"));
    pia.particulars.program = Some(Program::Medicaid);
    assert!(fate(&file, &pia).ends_with("(notice, program)"));
    let mut settings = MemberSettings::default();
    settings.detail.employer_domains = vec![model::Destination::parse("acme.example").unwrap()];
    settings.detail.medicaid = Detail::Full;
    assert!(fate_at(NOON, &file, &pia, &settings).ends_with("(notice, employer_domain)"));
}

#[test]
fn an_address_named_by_the_row_is_used_unless_the_contact_data_stands_against_it() {
    let header = "member_id,name,birth_date,email,alternative_address,consent_withdrawn_on\n";
    let row = |rest: &str| contacts(&format!("{header}V1,Vic Mock,1990-01-01,vic@mail.example,{rest}\n"));
    let vic = statement("V1", "Vic", "Mock", None);
    let named = model::Recipient {
        mailbox: model::Mailbox::parse("named@mail.example").unwrap(),
        name: Private::from("Vic"),
        address_version: 0,
        language: None,
        on_behalf_of: false,
    };
    let addressed = |contacts: Option<&Contacts>| {
        let addressing = Addressing { statement: &vic, also_known_as: &[], named: Some(&named), at: NOON };
        match address(&addressing, contacts, &MemberSettings::default()) {
            Addressed::Send { recipient, .. } => recipient.mailbox.reveal(),
            Addressed::Paper(presentation) => presentation.paper.unwrap().to_string(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(addressed(None), "named@mail.example");
    assert_eq!(addressed(Some(&row(","))), "named@mail.example");
    assert_eq!(addressed(Some(&row("safe@mail.example,"))), "safe@mail.example");
    assert_eq!(addressed(Some(&row(",2026-01-01"))), "consent_withdrawn");
}

#[test]
fn objects_say_the_same_as_columns() {
    let csv = contacts(
        "member_id,name,birth_date,email,consent_kinds,consent_given_on,representative_name,representative_email,representative_authority\n\
         O1,Oda Mock,2015-01-01,,eob,2025-01-01,Pat,pat@mail.example,parent\n",
    );
    let ndjson = contacts(
        "{\"member_id\":\"O1\",\"name\":\"Oda Mock\",\"birth_date\":\"2015-01-01\",\"email\":null,\
          \"consent\":{\"kinds\":[\"eob\"],\"given_on\":\"2025-01-01\"},\
          \"representative\":{\"name\":\"Pat\",\"email\":\"pat@mail.example\",\"authority\":\"parent\",\"nickname\":\"P\"}}\n",
    );
    let oda = statement("O1", "Oda", "Mock", None);
    assert_eq!(fate(&csv, &oda), "pat@mail.example Pat on behalf (full, default)");
    assert_eq!(fate(&ndjson, &oda), fate(&csv, &oda));
    assert_eq!(ndjson.columns().passed_over(), ["representative_nickname"], "said to the operator");
    assert!(ndjson.columns().states_consent());
}

#[test]
fn a_row_that_cannot_be_understood_names_its_column_and_silences_its_member() {
    let file = contacts(
        "member_id,name,birth_date,email,deceased_on,language\n\
         W1,Wes Mock,1990-01-01,wes@mail.example,,\n\
         W1,Wes Mock,1990-01-01,wes@mail.example,yes,\n\
         W2,Wil Mock,1990-01-01,wil@mail.example,,a tongue of old\n\
         W3,Wyn Mock,1990-01-01,wyn@mail.example,,N/A\n",
    );
    let places: Vec<(u64, String)> =
        file.rejects().iter().map(|reject| (reject.place.line.unwrap(), reject.place.field.clone().unwrap())).collect();
    assert_eq!(places, [(3, "deceased_on".to_owned()), (4, "language".to_owned())]);
    let told = format!("{:?}", file.rejects());
    assert!(!told.contains("Wes") && !told.contains("tongue") && !told.contains("wes@"), "never a value: {told}");
    assert_eq!((file.len(), file.rejected()), (2, 2));
    assert_eq!(fate(&file, &statement("W1", "Wes", "Mock", None)), "nobody: contact_row_rejected", "another row of hers is fine");
    assert_eq!(fate(&file, &statement("W2", "Wil", "Mock", None)), "nobody: contact_row_rejected");
    assert!(fate(&file, &statement("W3", "Wyn", "Mock", None)).starts_with("wyn@"));
}
