//! The sections of a map that say what a statement is made of: `[claim]`, `[member]`, `[recipient]`, `[line]`.

use super::columns::Columns;
use super::table::Table;
use super::terms::{Plain, read_amounts};
use super::words::{CLAIM_TYPES, NETWORKS, PAID_TO, PROGRAMS, STATUSES};
use super::{AMOUNT_NAMES, ClaimFields, Condition, LineFields, MemberFields, NoteFields, RecipientFields, Text, Word};
use toml::de::DeValue;

impl ClaimFields {
    pub(super) fn read(columns: &Columns<'_>, claim: &Table<'_>) -> Option<Self> {
        let number = Text::read(columns, claim, "number", None);
        let status = Word::read(columns, claim, "status", &STATUSES);
        for (key, why) in [("number", "which rows are one claim"), ("status", "a denied claim and a paid one are told differently")] {
            if !claim.has(key) {
                claim.wrong_here(&format!("{key} is missing: {why}"));
            }
        }
        let fields = Self {
            number: number.unwrap_or_default(),
            status: status.unwrap_or(Word { rules: Vec::new(), otherwise: None }),
            payer: Text::read(columns, claim, "payer", None),
            provider: Text::read(columns, claim, "provider", None),
            service_from: columns.slot(claim, "service_from", None),
            service_to: columns.slot(claim, "service_to", None),
            currency: columns.slot(claim, "currency", None),
            key: Text::read(columns, claim, "key", None),
            claim_type: Word::read(columns, claim, "claim_type", &CLAIM_TYPES),
            network: Word::read(columns, claim, "network", &NETWORKS),
            program: Word::read(columns, claim, "program", &PROGRAMS),
            paid_to: Word::read(columns, claim, "paid_to", &PAID_TO),
            notes: NoteFields::read_all(columns, claim, None),
        };
        (claim.has("number") && claim.has("status")).then_some(fields)
    }
}

impl MemberFields {
    pub(super) fn read(columns: &Columns<'_>, member: &Table<'_>) -> Option<Self> {
        let id = Text::read(columns, member, "id", None);
        if !member.has("id") {
            member.wrong_here("id is missing: the plan's member id, which the contact file has too");
        }
        let fields = Self {
            id: id?,
            name: Text::read(columns, member, "name", None),
            given_name: Text::read(columns, member, "given_name", None),
            middle_name: Text::read(columns, member, "middle_name", None),
            family_name: Text::read(columns, member, "family_name", None),
            suffix: Text::read(columns, member, "suffix", None),
            birth_date: columns.slot(member, "birth_date", None),
        };
        member.finish();
        Some(fields)
    }
}

impl RecipientFields {
    pub(super) fn read(columns: &Columns<'_>, recipient: &Table<'_>) -> Option<Self> {
        let (email, name) = (Text::read(columns, recipient, "email", None), Text::read(columns, recipient, "name", None));
        let language = Text::read(columns, recipient, "language", None);
        if !recipient.has("email") {
            recipient.wrong_here("email is missing; leave [recipient] out where the contact file has the addresses");
        }
        recipient.finish();
        Some(Self { email: email?, name, language })
    }
}

impl LineFields {
    /// Once for each repetition.
    pub(super) fn read_all(columns: &Columns<'_>, line: &Table<'_>) -> Vec<Self> {
        let amounts = line.table("amounts");
        let lines = (1..=columns.repeat).map(|number| Self::read(columns, line, &amounts, number)).collect();
        line.ask("repeat");
        amounts.finish();
        line.finish();
        lines
    }

    fn read(columns: &Columns<'_>, line: &Table<'_>, amounts: &Table<'_>, number: usize) -> Self {
        let number = Some(number);
        Self {
            when: Condition::read_all(columns, line, number),
            service_from: columns.slot(line, "service_from", number),
            service_to: columns.slot(line, "service_to", number),
            code: Text::read(columns, line, "code", number),
            modifiers: line.list("modifiers").into_iter().filter_map(|value| Text::of(columns, line, "modifiers", value, number)).collect(),
            description: Text::read(columns, line, "description", number),
            notes: NoteFields::read_all(columns, line, number),
            amounts: read_amounts(columns, amounts, Plain::Sum, number, &AMOUNT_NAMES),
        }
    }
}

impl NoteFields {
    fn read_all(columns: &Columns<'_>, table: &Table<'_>, number: Option<usize>) -> Vec<Self> {
        let read = |value: &toml::Spanned<DeValue<'_>>| {
            if value.get_ref().as_table().is_none() {
                return Text::of(columns, table, "notes", value, number).map(|code| Self { code: Some(code), text: None });
            }
            let note = table.item("notes", value);
            let mut code = Text::read(columns, &note, "code", number);
            let text = Text::read(columns, &note, "text", number);
            if let (Some(code), Some(prefix)) = (&mut code, note.text("prefix")) {
                code.prefix = prefix;
            }
            if code.is_none() && text.is_none() {
                note.wrong_here("expected code, text or both");
            }
            note.finish();
            Some(Self { code, text })
        };
        table.list("notes").into_iter().filter_map(read).collect()
    }
}
