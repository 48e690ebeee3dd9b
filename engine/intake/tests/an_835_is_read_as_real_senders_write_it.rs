//! Claims by hand: each rule of the mapping and each tolerance, one small file each.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use intake::{InputProfile, ReadStatement, Row, open};
use model::reject::Reject;
use model::statement::{ClaimStatus, LiabilityRule, Program};
use model::{Cents, Date};

const HEAD: &str = "ISA*00*          *00*          *ZZ*A              *ZZ*B              *261101*0600*^*00501*000000001*0*T*:~\
GS*HP*A*B*20261101*0600*1*X*005010X221A1~ST*835*0001~BPR*I*0*C*CHK~N1*PR*Example Health Plan~N1*PE*Invented Clinic~LX*1~";
const QC: &str = "NM1*QC*1*EXAMPLE*ADA*B**JR*MI*M1~";

fn file(claims: &str) -> String {
    // ISA and GS stand before the ST; the SE counts itself too.
    let segments = HEAD.matches('~').count() - 2 + claims.matches('~').count() + 1;
    format!("{HEAD}{claims}SE*{segments}*0001~GE*1*1~IEA*1*000000001~")
}

fn read(text: &str) -> (Vec<Row>, Vec<Reject>) {
    let mut rows = open(&InputProfile::default(), "a.835", Box::new(text.as_bytes())).unwrap();
    let read = rows.by_ref().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(rows.source_records(), read.len() as u64);
    (read, rows.findings().to_vec())
}

fn one(claims: &str) -> Box<ReadStatement> {
    let (rows, findings) = read(&file(claims));
    assert_eq!(findings, []);
    match <[Row; 1]>::try_from(rows) {
        Ok([Row::Statement(statement)]) => statement,
        other => panic!("{other:?}"),
    }
}

fn rejected(claims: &str) -> Reject {
    let (rows, _) = read(&file(claims));
    match &rows[..] {
        [Row::Rejected { reject, .. }] => reject.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn amounts_dates_names_and_notes() {
    let read = one(&format!(
        "CLP*ACCT*1*200*90*70*12*ICN1~{QC}NM1*82*1*HEALER*HAL****XX*1~DTM*232*20260101~DTM*233*20260103~MOA***MA01**N1~\
         SVC*HC:99213:25:59:::Office visit*150*90**1~DTM*150*20260102~DTM*151*20260103~CAS*CO*45*20~CAS*PR*1*10**2*20*1*3*10~LQ*HE*N130~\
         SVC*NU:0450*50*0~CAS*OA*23*10~CAS*CO*29*10~CAS*PR*96*30~AMT*B6*0~LQ*HE*N130~"
    ));
    let statement = &read.statement;
    assert_eq!((statement.claim_number.reveal(), statement.member.name.reveal()), ("ICN1", "ADA B EXAMPLE JR"));
    assert_eq!(
        (statement.payer.as_ref().unwrap().reveal(), statement.provider.as_ref().unwrap().reveal()),
        ("Example Health Plan", "HAL HEALER")
    );
    assert_eq!((statement.service_from, statement.service_to), (Some(Date::constant(2026, 1, 1)), Some(Date::constant(2026, 1, 3))));
    let totals = &statement.totals;
    let cents = |cents| Some(Cents(cents));
    assert_eq!((totals.billed, totals.plan_paid, totals.member_owes), (cents(20_000), cents(9_000), cents(7_000)));
    assert_eq!((totals.deductible, totals.coinsurance, totals.copay), (cents(1_000), cents(2_000), cents(1_000)));
    assert_eq!((totals.discount, totals.not_covered, totals.other_insurance), (cents(2_000), cents(4_000), cents(1_000)));
    assert_eq!(totals.allowed, cents(13_000));
    assert_eq!((statement.liability_rule, read.not_mailable), (LiabilityRule::Stated, None));
    let [visit, room] = &statement.lines[..] else { panic!() };
    assert_eq!(visit.description.as_ref().unwrap().reveal(), "Office visit");
    assert_eq!((visit.service_from, visit.service_to), (Some(Date::constant(2026, 1, 2)), Some(Date::constant(2026, 1, 3))));
    assert_eq!(visit.amounts.member_owes, cents(4_000));
    assert_eq!(room.code.as_ref().unwrap().reveal(), "NU:0450");
    assert_eq!(room.service_from, Some(Date::constant(2026, 1, 1)), "the claim's date where the line has none");
    let codes: Vec<_> = statement.notes.iter().map(|note| note.code.reveal()).collect();
    assert_eq!(codes, ["MA01", "N1", "CO-45", "PR-1", "PR-2", "PR-3", "N130", "OA-23", "CO-29", "PR-96"]);
    assert_eq!((&visit.notes[..], &room.notes[..]), (&[2, 3, 4, 5, 6][..], &[7, 8, 9, 6][..]));
}

#[test]
fn an_absent_share_is_the_sum_of_its_adjustments() {
    let read = one(&format!("CLP*A*1*100*80**12*I~{QC}SVC*HC:1*100*80~CAS*PR*3*20~"));
    assert_eq!(
        (read.statement.totals.member_owes, read.statement.liability_rule),
        (Some(Cents(2_000)), LiabilityRule::SumOfPatientResponsibility)
    );
    let read = one(&format!("CLP*A*1*100*80**12*I~{QC}CAS*CO*45*20~"));
    assert_eq!((read.statement.totals.member_owes, read.not_mailable), (Some(Cents::ZERO), None));
}

#[test]
fn claim_level_adjustments_that_repeat_the_lines_count_once() {
    let lines = "SVC*HC:1*60*40~CAS*CO*45*15~CAS*PR*2*5~SVC*HC:2*40*30~CAS*CO*45*10~";
    let read = one(&format!("CLP*A*1*100*70*5*12*I~CAS*CO*45*25~CAS*PR*2*5~{QC}{lines}"));
    assert_eq!((read.statement.totals.discount, read.statement.totals.coinsurance), (Some(Cents(2_500)), Some(Cents(500))));
    // Not a repetition: other codes of the same sum.
    let reject = rejected(&format!("CLP*A*1*100*70*5*12*I~CAS*CO*97*25~CAS*PR*2*5~{QC}{lines}"));
    assert_eq!(reject.reason, "claim_unbalanced");
}

#[test]
fn what_does_not_add_up_is_rejected_with_the_arithmetic() {
    let reject = rejected(&format!("CLP*A*1*100*75*20*12*I~{QC}SVC*HC:1*100*75~CAS*PR*1*20~"));
    assert_eq!((reject.reason.as_str(), reject.place.field.as_deref()), ("claim_unbalanced", Some("CLP03")));
    assert!(reject.expected.contains("100.00 - CAS 20.00 = 80.00") && reject.expected.contains("75.00"), "{}", reject.expected);
    let reject = rejected(&format!("CLP*A*1*100*80*15*12*I~{QC}SVC*HC:1*100*80~CAS*PR*1*20~"));
    assert_eq!((reject.reason.as_str(), reject.place.field.as_deref()), ("member_share_unbalanced", Some("CLP05")));
    assert!(reject.expected.contains("20.00") && reject.expected.contains("15.00"));
    assert_eq!((reject.place.row, reject.place.segment), (1, Some(8)));
}

#[test]
fn a_line_that_does_not_add_up_is_shown_and_not_mailed() {
    for (lines, paid) in
        [("SVC*HC:1*100*70~CAS*PR*1*20~", "80"), ("SVC*HC:1*60*40~CAS*PR*1*20~", "80"), ("SVC*HC:1*90*80~CAS*PR*1*20~SVC*HC:2*10*0~", "80")]
    {
        let read = one(&format!("CLP*A*1*100*{paid}*20*12*I~{QC}{lines}"));
        assert_eq!(read.not_mailable, Some("line_unbalanced"), "{lines}");
        assert_eq!(read.statement.totals.deductible, Some(Cents(2_000)));
    }
    let read = one(&format!("CLP*A*1*100*80*20*12*I~{QC}SVC*HC:1*100*80~CAS*PR*1*20~SVC*HC:2~"));
    assert_eq!((read.not_mailable, read.statement.lines[1].amounts.billed), (None, None), "not stated is not zero");
}

#[test]
fn statuses_decide_what_may_be_mailed() {
    for (code, status, reason) in [
        ("1", ClaimStatus::ProcessedPrimary, None),
        ("2", ClaimStatus::ProcessedSecondary, None),
        ("3", ClaimStatus::ProcessedTertiary, None),
        ("4", ClaimStatus::Denied, None),
        ("19", ClaimStatus::Forwarded, None),
        ("21", ClaimStatus::Forwarded, None),
        ("22", ClaimStatus::Reversal, Some("reversal")),
        ("23", ClaimStatus::NotOurClaim, Some("not_our_claim")),
        ("25", ClaimStatus::Predetermination, Some("predetermination")),
        ("5", ClaimStatus::Unknown, Some("status_unknown")),
        ("", ClaimStatus::Unknown, Some("status_unknown")),
    ] {
        let read = one(&format!("CLP*A*{code}*100*80*20*12*I~{QC}CAS*PR*1*20~"));
        assert_eq!((read.statement.status, read.not_mailable), (status, reason), "{code}");
    }
    // CLP05 of a reversal need not be the sum of PR (X12 RFI 2548).
    let read = one(&format!("CLP*A*22*-100*-80*0*12*I~{QC}CAS*PR*1*-20~"));
    assert_eq!(read.statement.totals.plan_paid, Some(Cents(-8_000)));
}

#[test]
fn the_member_is_the_patient_and_else_the_insured() {
    let claim = "CLP*A*1*0*0*0*12*I~";
    let member = |names: &str| {
        let read = one(&format!("{claim}{names}"));
        let also: Vec<_> =
            read.also_known_as.iter().map(|member| (member.name.reveal().to_owned(), member.id.reveal().to_owned())).collect();
        (read.statement.member.name.reveal().to_owned(), read.statement.member.id.reveal().to_owned(), also)
    };
    let text = str::to_owned;
    assert_eq!(member("NM1*QC*1*E*ADA~NM1*IL*1*E*BEN****MI*M2~"), (text("ADA E"), text("M2"), vec![]));
    assert_eq!(member("NM1*QC*1*****~NM1*IL*1*E*BEN****MI*M2~"), (text("BEN E"), text("M2"), vec![]));
    assert_eq!(member("NM1*IL*1*E*BEN****MI*M2~"), (text("BEN E"), text("M2"), vec![]));
    assert_eq!(member("NM1*QC*1*E*ADA****MI*M1~NM1*74*1*EX*****C*M9~"), (text("ADA E"), text("M1"), vec![(text("ADA EX"), text("M9"))]));
    // With an insured beside the patient, the correction is about the insured.
    assert_eq!(member("NM1*QC*1*E*ADA****MI*M1~NM1*IL*1*E*BEN****MI*M2~NM1*74*1*EX~"), (text("ADA E"), text("M1"), vec![]));
    for names in ["", "NM1*QC*1*E*ADA~", "NM1*QC*1*****MI*M1~"] {
        assert_eq!(rejected(&format!("{claim}{names}")).reason, "member_missing", "{names}");
    }
}

#[test]
fn claims_that_may_have_run_together_are_rejected() {
    let claim = "CLP*A*1*0*0*0*12*I~";
    assert_eq!(rejected(&format!("{claim}{QC}NM1*QC*1*OTHER*BEN****MI*M2~")).reason, "member_ambiguous");
    assert_eq!(rejected(&format!("{claim}{QC}SVC*HC:1*0*0~NM1*QC*1*OTHER*BEN****MI*M2~")).reason, "segment_out_of_order");
    let (rows, findings) = read(&file(&format!("{claim}{QC}TRN*1*X~N1*PR*Other~LX*1~{claim}{QC}")));
    let Row::Rejected { reject, .. } = &rows[0] else { panic!() };
    assert_eq!((reject.reason.as_str(), rows.len(), findings.len()), ("truncated", 2, 0));
    let Row::Statement(second) = &rows[1] else { panic!() };
    assert_eq!(second.statement.payer.as_ref().unwrap().reveal(), "Other");
}

#[test]
fn what_cannot_be_read_is_named_by_field_and_segment_without_its_value() {
    for (claim, reason, field) in [
        ("CLP*A*1*1,00*80*20*12*I~", "amount_malformed", "CLP03"),
        ("CLP*A*1**80*20*12*I~", "amount_missing", "CLP03"),
        ("CLP*A*1*100*SECRET*20*12*I~", "amount_malformed", "CLP04"),
        ("CLP*A*1*100*80*x*12*I~", "amount_malformed", "CLP05"),
        ("CLP**1*100*80*20*12*~", "claim_number_missing", "CLP07"),
        ("CLP*A*1*100*80*20*12*I~DTM*232*20261301~", "date_malformed", "DTM02"),
        ("CLP*A*1*100*80*20*12*I~SVC*HC:1*x*80~", "amount_malformed", "SVC02"),
        ("CLP*A*1*100*90*20*12*I~CAS*CO*45*SECRET~", "amount_malformed", "CAS"),
        ("CLP*A*1*100*80*20*12*I\u{7}I~", "text_control_character", "CLP07"),
    ] {
        let tail = if claim.contains("SVC") { "CAS*PR*1*20~".to_owned() } else { format!("{QC}CAS*PR*1*20~") };
        let (rows, _) = read(&file(&format!("{claim}{tail}")));
        let Row::Rejected { reject, .. } = &rows[0] else { panic!("{claim}") };
        assert_eq!((reject.reason.as_str(), reject.place.field.as_deref()), (reason, Some(field)), "{claim}");
        assert!(!format!("{reject:?}").contains("SECRET") && reject.place.segment.is_some());
    }
    let latin = file(&format!("CLP*A*1*0*0*0*12*I~{QC}")).into_bytes();
    let at = latin.windows(3).position(|word| word == b"ADA").unwrap();
    let mut latin = latin;
    latin[at] = 0xc4;
    let mut rows = open(&InputProfile::default(), "a.835", Box::new(latin.as_slice())).unwrap();
    let Some(Ok(Row::Rejected { reject, .. })) = rows.next() else { panic!() };
    assert_eq!(reject.reason, "text_not_utf8");
}

#[test]
fn layouts_of_real_files_read_the_same() {
    let claims = format!("CLP*A*1*100*80*20*12*I~{QC}SVC*HC:1:25*100*80~CAS*PR*1*20~");
    let plain = file(&claims);
    let (expected, findings) = read(&plain);
    assert!(matches!(&expected[..], [Row::Statement(_)]) && findings.is_empty());
    let lines: String = plain.replace('~', "~\r\n");
    let wrapped: String = plain.as_bytes().chunks(80).map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap())).collect();
    for text in [
        lines.clone(),
        lines.replace("~\r\n", "\n"),
        lines.replace("~\r\n", "\r\n"),
        lines.replace("~\r\n", "\r"),
        format!("\u{feff}  \r\n{plain}\r\n\x1a"),
        plain.replace("          *", "*").replace("              *", "*"),
        plain.replace('*', "|").replace('~', "'").replace(':', "^"),
        plain.replace('*', "\x1d").replace('~', "\x1c").replace(':', "\x1f"),
        plain.replace("*T*:~", "*T*:~TA1*1*261101*0600*A*000~"),
        wrapped,
        format!("{}~", plain.replace('~', "~~")),
    ] {
        let (rows, findings) = read(&text);
        let found: Vec<_> = findings.iter().map(|finding| finding.reason.as_str()).collect();
        assert_eq!(found, Vec::<&str>::new(), "{text:?}");
        let (Row::Statement(found), Row::Statement(wanted)) = (&rows[0], &expected[0]) else { panic!("{text:?}") };
        assert_eq!(found.statement, wanted.statement, "{text:?}");
    }
    let bare: String = plain[plain.find("ST*").unwrap()..plain.find("GE*").unwrap()].to_owned();
    assert_eq!(read(&bare).0.len(), 1);
    let (rows, findings) = read(&format!("{plain}{}{bare}", plain.replace('*', "|").replace('~', "\n")));
    assert_eq!((rows.len(), findings.len()), (3, 0));
}

#[test]
fn counts_that_do_not_fit_are_findings() {
    let claims = format!("CLP*A*1*0*0*0*12*I~{QC}");
    let plain = file(&claims);
    for (from, to, reason) in [
        ("SE*8*0001", "SE*9*0001", "segment_count_differs"),
        ("SE*8*0001", "SE*8*0002", "control_number_differs"),
        ("GE*1*1", "GE*2*1", "transaction_count_differs"),
        ("GE*1*1", "GE*1*7", "control_number_differs"),
        ("IEA*1*", "IEA*3*", "group_count_differs"),
        ("IEA*1*000000001", "IEA*1*000000002", "control_number_differs"),
        ("~GE*1*1", "", "interchange_not_closed"),
        ("SE*8*0001~", "", "transaction_not_closed"),
        ("005010X221A1", "004010X091A1", "version_other"),
        ("LX*1~", "LX*1~XYZ*1~", "segment_unknown"),
    ] {
        let text = plain.replacen(from, to, 1);
        assert_ne!(text, plain, "{from}");
        let (rows, findings) = read(&text);
        assert_eq!(rows.len(), 1);
        assert!(findings.iter().any(|finding| finding.reason == reason), "{from} {to} {findings:?}");
    }
    let other = plain.replace("GE*1*1", "ST*999*0002~AK1*HC*1~SE*3*0002~GE*2*1");
    let (rows, findings) = read(&other);
    assert_eq!((rows.len(), findings.len(), findings[0].reason.as_str()), (1, 1, "other_transaction"));
}

#[test]
fn a_hole_of_nuls_shows() {
    let plain = file(&format!("CLP*A*1*0*0*0*12*I~{QC}CLP*B*1*0*0*0*12*J~{QC}"));
    let hole = plain.replacen("CLP*B", &format!("{}P*B", "\0".repeat(2)), 1);
    let (rows, findings) = read(&hole);
    assert!(matches!(&rows[..], [Row::Statement(_)] | [Row::Rejected { .. }]));
    assert!(findings.iter().any(|finding| finding.reason == "segment_unknown"), "{findings:?}");
    let (rows, findings) = read(&format!("{plain}{}", "\0".repeat(512)));
    assert_eq!((rows.len(), findings.len()), (2, 1));
}

#[test]
fn limits_reject_the_claim_and_not_the_file() {
    let whole = format!("CLP*A*1*0*0*0*12*I~{QC}");
    for (inner, reason) in [
        (format!("NTE*{}~", "x".repeat(70_000)), "segment_too_long"),
        ("SVC*HC:1*0*0~".repeat(1_000), "too_many_lines"),
        ("REF*1*1~".repeat(20_001), "too_many_segments"),
        ((0..2_001).map(|code| format!("LQ*HE*N{code}~")).collect(), "too_many_notes"),
    ] {
        let (rows, _) = read(&file(&format!("{whole}{inner}{whole}")));
        let [Row::Rejected { reject, .. }, Row::Statement(_)] = &rows[..] else { panic!("{reason}") };
        assert_eq!(reject.reason, reason);
    }
    let (rows, _) = read(&file(&format!("{whole}{}", "SVC*HC:1*0*0~".repeat(999))));
    assert!(matches!(&rows[..], [Row::Statement(_)]));
}

#[test]
fn a_reader_that_fails_is_a_refusal_and_not_an_end() {
    struct Fails;
    impl std::io::Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk"))
        }
    }
    let text = file(&format!("CLP*A*1*0*0*0*12*I~{QC}CLP*A*1*0*0*0*12*I~{QC}")) + &" ".repeat(50_000);
    let reader = std::io::BufReader::new(std::io::Read::chain(std::io::Cursor::new(text), Fails));
    let mut rows = open(&InputProfile::default(), "a.835", Box::new(reader)).unwrap();
    let mut last = None;
    for row in rows.by_ref() {
        last = Some(row);
    }
    assert_eq!(last.unwrap().unwrap_err().reason, "unreadable");
    assert!(rows.next().is_none());
}

#[test]
fn the_claim_says_whose_programme_pays() {
    let program = |filing: &str| {
        let read = one(&format!("CLP*A*1*100*80*20*{filing}*I~{QC}CAS*PR*1*20~"));
        read.statement.particulars.program
    };
    assert_eq!(program("MC"), Some(Program::Medicaid));
    assert_eq!((program("MA"), program("MB")), (Some(Program::OriginalMedicare), Some(Program::OriginalMedicare)));
    assert_eq!(program("16"), Some(Program::MedicareAdvantage));
    for silent in ["12", "HM", "ZZ", ""] {
        assert_eq!(program(silent), None, "{silent}");
    }
}

#[test]
fn amounts_of_another_currency_are_rejected() {
    let claims = format!("CLP*A*1*100*80*20*12*I~{QC}CAS*PR*1*20~");
    let with = |currency: &str| file(&claims).replace("CHK~", &format!("CHK~CUR*PR*{currency}~")).replace("SE*9*", "SE*10*");
    for not_another in ["USD", "XXX"] {
        let (rows, _) = read(&with(not_another));
        assert!(matches!(&rows[..], [Row::Statement(_)]), "{not_another}");
    }
    let (rows, _) = read(&with("CAD"));
    let [Row::Rejected { reject, money }] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((reject.reason.as_str(), reject.place.field.as_deref(), reject.place.segment), ("currency_other", Some("CUR02"), Some(5)));
    assert_eq!(money.billed, Cents(10_000));
}

#[test]
fn no_more_is_allowed_than_was_billed() {
    // A real sender's third line: an allowed amount, and neither billed nor paid.
    let read = one(&format!(
        "CLP*A*1*2100*1922.86*142.54*15*I~{QC}SVC*HC:59430*1210*1057.86**1~CAS*CO*42*34.6~CAS*PR*2*117.54~AMT*B6*1175.4~\
         SVC*HC:59440*890*865**1~CAS*PR*3*25~SVC*HC:59426*****742**1~AMT*B6*742~"
    ));
    assert_eq!(read.statement.totals.allowed, Some(Cents(206_540)));
    let read = one(&format!("CLP*A*1*100*80*20*12*I~{QC}SVC*HC:1*100*80~CAS*PR*1*20~AMT*B6*150~"));
    assert_eq!(read.statement.totals.allowed, Some(Cents(10_000)));
}
