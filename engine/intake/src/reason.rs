//! The stable reason codes of intake, each with what to do about it.
//!
//! Codes stand in reject files, receipts and metrics; a code is never renamed. The sentence is for the operator.

macro_rules! reasons {
    ($( $(#[$doc:meta])* $name:ident = $code:literal, $action:literal; )*) => {
        $( $(#[$doc])* pub const $name: &str = $code; )*

        /// All codes, in the order of this file.
        pub const ALL: &[&str] = &[$($code),*];

        /// What to do about a reason.
        pub fn action(reason: &str) -> &'static str {
            match reason {
                $( $code => $action, )*
                _ => "ask the sender",
            }
        }
    };
}

reasons! {
    // Rejected: damage
    /// The record is cut off: the file or its transaction set ends before the record does.
    TRUNCATED = "truncated", "ask the sender for the whole file; the last record of this one is cut";
    /// A segment is longer than any real one.
    SEGMENT_TOO_LONG = "segment_too_long", "ask the sender whether a segment terminator is missing here";
    /// A claim has more segments than the limit.
    TOO_MANY_SEGMENTS = "too_many_segments", "ask the sender to split the claim";
    /// More service lines than a statement takes.
    TOO_MANY_LINES = "too_many_lines", "ask the sender to split the claim";
    /// More reason and remark codes than a statement takes.
    TOO_MANY_NOTES = "too_many_notes", "ask the sender to split the claim";
    /// A claim-level segment stands after a service line: segments of two claims may have run together.
    SEGMENT_OUT_OF_ORDER = "segment_out_of_order", "ask the sender for the file again; a claim's beginning may be lost here";
    /// A claim outside of any transaction set.
    OUTSIDE_TRANSACTION = "outside_transaction", "ask the sender for the file again; the ST segment is lost";
    /// A line of an NDJSON file is longer than the limit.
    LINE_TOO_LONG = "line_too_long", "ask the sender to split the statement; one line takes at most 1 MiB";
    /// The line is not JSON.
    JSON_INVALID = "json_invalid", "ask the sender for one JSON object per line";
    /// Not UTF-8.
    TEXT_NOT_UTF8 = "text_not_utf8", "ask the sender for UTF-8; a guessed character set could misspell a name";
    /// A control character in a text that a person reads.
    TEXT_CONTROL_CHARACTER = "text_control_character", "ask the sender to remove control characters from this field";
    /// A text is longer than the limit.
    TEXT_TOO_LONG = "text_too_long", "ask the sender to shorten this field to 1,000 bytes";
    /// A row of a delimited or fixed-width file is longer than the limit.
    RECORD_TOO_LONG = "record_too_long", "ask the sender whether line ends are missing here; one row takes at most 1 MiB";
    /// A row of a fixed-width file has another length than the layout.
    RECORD_LENGTH_DIFFERS = "record_length_differs", "ask the sender for the file again; a row of another length has its columns elsewhere";
    /// A row of a delimited file with another number of fields than the header.
    FIELD_COUNT_DIFFERS = "field_count_differs", "ask the sender to put quotes around fields that contain the delimiter or a line end";
    /// A row beside the claim's cannot be read: the claim may lack a service.
    CLAIM_INCOMPLETE = "claim_incomplete", "ask the sender to correct the row beside this claim, then for the claim again";
    /// What belongs to the claim is not the same in each of its rows.
    CLAIM_ROWS_DIFFER = "claim_rows_differ", "ask the sender for the claim again; rows of two claims may have run together here";
    // Rejected: shape
    /// A field that the schema does not have.
    FIELD_UNKNOWN = "field_unknown", "correct the field's name or leave it out; see configs/schema/statement.schema.json";
    /// A required field is missing or null.
    FIELD_MISSING = "field_missing", "ask the sender to state this field; see configs/schema/statement.schema.json";
    /// A field stands twice in one object.
    FIELD_REPEATED = "field_repeated", "ask the sender to state this field once";
    /// A field is of another type than the schema says.
    WRONG_TYPE = "wrong_type", "correct the field's type; see configs/schema/statement.schema.json";
    /// A value outside of the list the schema gives.
    VALUE_UNKNOWN = "value_unknown", "use one of the values listed";
    /// A line refers to a note that is not there.
    NOTE_UNKNOWN = "note_unknown", "let each line refer to notes by their position, from 0";
    /// No claim number.
    CLAIM_NUMBER_MISSING = "claim_number_missing", "ask the sender to state the claim number";
    /// No member id or no name.
    MEMBER_MISSING = "member_missing", "ask the sender to state the member's id and name";
    /// Two different people as the patient of one claim.
    MEMBER_AMBIGUOUS = "member_ambiguous", "ask the sender for the file again; two claims may have run together here";
    /// An amount that is required is not stated.
    AMOUNT_MISSING = "amount_missing", "ask the sender to state this amount";
    /// An amount is no exact decimal.
    AMOUNT_MALFORMED = "amount_malformed", "ask the sender for a decimal amount with at most two decimals";
    /// An amount has a fraction of a cent, and the input's profile does not allow to round it.
    AMOUNT_SUB_CENT = "amount_sub_cent", "ask the sender for whole cents, or allow rounding = \"half_even\" for this input";
    /// A date that does not exist.
    DATE_MALFORMED = "date_malformed", "ask the sender to correct this date";
    /// Money that is not US dollars.
    CURRENCY_OTHER = "currency_other", "do not send it; amounts are US dollars here";
    // Rejected: FHIR
    /// A resource of STU3 or DSTU2.
    FHIR_NOT_R4 = "fhir_not_r4", "ask the sender for FHIR R4 (4.0.1)";
    /// A resource without amounts, such as CARIN's Basis profiles.
    AMOUNTS_ABSENT = "amounts_absent", "ask the sender for the resource with its amounts instead of the Basis one";
    /// A modifier element (modifierExtension, implicitRules) that nobody here knows.
    MODIFIER_UNKNOWN = "modifier_unknown", "ask the sender what it means; it may turn the statement into its opposite";
    /// A resource is larger than the limit.
    RESOURCE_TOO_LONG = "resource_too_long", "ask the sender to split the claim; one resource takes at most 16 MiB";
    // Rejected: arithmetic
    /// Billed, adjustments and paid do not add up.
    CLAIM_UNBALANCED = "claim_unbalanced", "ask the sender to correct the claim's amounts; it was not sent";
    /// The member's share is not what its parts add up to.
    MEMBER_SHARE_UNBALANCED = "member_share_unbalanced", "ask the sender to correct the member's share; it was not sent";
    // Rejected at admission
    /// The statement is larger than a job may be.
    PAYLOAD_TOO_LARGE = "payload_too_large", "ask the sender to split the statement";
    /// The key was used before for other content.
    KEY_CONFLICT = "key_conflict", "give a changed statement a new key; this one was accepted before with other content";
    /// A statement in the marketing stream, or a templated message in the transactional one.
    WRONG_STREAM = "wrong_stream", "send statements by the transactional stream and templated messages by the marketing stream";
    // Duplicate
    /// The same statement was accepted before.
    DUPLICATE = "duplicate", "nothing: it is not sent twice";
    // Not mailable
    /// Takes back an earlier payment.
    REVERSAL = "reversal", "nothing: the correction that follows is what the member is told";
    /// Not a claim of this payer.
    NOT_OUR_CLAIM = "not_our_claim", "nothing: the payer it was forwarded to tells the member";
    /// An estimate, no payment.
    PREDETERMINATION = "predetermination", "nothing: an estimate is no Explanation of Benefits";
    /// A claim status this engine does not know.
    STATUS_UNKNOWN = "status_unknown", "ask the sender what the status means";
    /// The member's share can neither be read nor derived.
    LIABILITY_UNKNOWN = "liability_unknown", "ask the sender to state what the member owes";
    /// The claim adds up but a service line does not.
    LINE_UNBALANCED = "line_unbalanced", "ask the sender to correct the service line; the claim's sums are in order";
    /// An adjustment cannot be read, although the rest adds up.
    ADJUSTMENT_UNREADABLE = "adjustment_unreadable", "ask the sender to correct the CAS segment";
    /// FHIR status cancelled.
    STATUS_CANCELLED = "status_cancelled", "nothing: the claim was withdrawn";
    /// FHIR status draft.
    STATUS_DRAFT = "status_draft", "nothing: the final claim is what the member is told";
    /// FHIR status entered-in-error.
    STATUS_ENTERED_IN_ERROR = "status_entered_in_error", "nothing: it should not have been there";
    /// FHIR outcome error.
    OUTCOME_ERROR = "outcome_error", "ask the sender what is wrong with the claim; it was not processed";
    /// FHIR outcome queued.
    OUTCOME_QUEUED = "outcome_queued", "nothing: it will come again when it has been processed";
    /// FHIR outcome partial.
    OUTCOME_PARTIAL = "outcome_partial", "nothing: it will come again when all of it has been processed";
    /// The same amount stands twice, and nothing tells whether it is one or two.
    AMOUNT_AMBIGUOUS = "amount_ambiguous", "ask the sender to state each amount once";
    /// The payment is another amount than what the plan is said to have paid.
    PAYMENT_DIFFERS = "payment_differs", "ask the sender which of payment and benefit is what the plan paid";
    /// The source has the member's id or a reference only; nobody is ever joined by that alone.
    MEMBER_UNNAMED = "member_unnamed", "hand in the Patient resources with the claims (FHIR), or add the columns of the member's name to the column map";
    /// Two different patients go by the reference.
    PATIENT_AMBIGUOUS = "patient_ambiguous", "ask the sender which of the two Patient resources is meant";
    // No address, no consent
    /// The contact file does not have the member.
    MEMBER_UNKNOWN = "member_unknown", "add the member to the contact file, or send on paper";
    /// There is no contact file and the row names no recipient.
    CONTACT_MISSING = "contact_missing", "hand in a contact file with the batch, or a recipient with the row";
    /// The contact file has the member without an address.
    ADDRESS_MISSING = "address_missing", "ask the member for an e-mail address, or send on paper";
    /// The address is not one that mail can go to.
    ADDRESS_MALFORMED = "address_malformed", "correct the address in the contact data";
    /// The member's rows in the contact data hold on other days than today.
    CONTACT_NOT_EFFECTIVE = "contact_not_effective", "ask for the member's present row; effective_from and effective_until leave today out";
    /// A row about the member could not be understood: what it would have said is not known, so nothing is sent.
    CONTACT_ROW_REJECTED = "contact_row_rejected", "correct the member's row in the contact file; `sealpost members check` names line and column";
    /// No written authorization (45 CFR 164.508).
    AUTHORIZATION_MISSING = "authorization_missing", "do not send it without the person's written authorization";
    // Held
    /// The contact file has the id, but under another name or birth date, or more than once.
    MEMBER_MISMATCH = "member_mismatch", "compare member and contact file, then release or cancel";
    // Findings about a file
    /// SE01 does not count the segments that are there.
    SEGMENT_COUNT_DIFFERS = "segment_count_differs", "ask the sender whether segments were lost; claims that add up were read";
    /// The number in a trailer is not that of its header.
    CONTROL_NUMBER_DIFFERS = "control_number_differs", "ask the sender whether a part of the file was lost";
    /// GE01 does not count the transaction sets that are there.
    TRANSACTION_COUNT_DIFFERS = "transaction_count_differs", "ask the sender whether transaction sets were lost";
    /// IEA01 does not count the groups that are there.
    GROUP_COUNT_DIFFERS = "group_count_differs", "ask the sender whether functional groups were lost";
    /// A transaction set begins and has no SE.
    TRANSACTION_NOT_CLOSED = "transaction_not_closed", "ask the sender for the whole file; what was whole was read";
    /// An interchange or a group begins and has no trailer.
    INTERCHANGE_NOT_CLOSED = "interchange_not_closed", "ask the sender for the whole file; what was whole was read";
    /// A segment the 835 does not have.
    SEGMENT_UNKNOWN = "segment_unknown", "ask the sender whether the file is damaged here";
    /// A line break where the terminator should be.
    TERMINATOR_MISSING = "terminator_missing", "ask the sender whether the file is damaged here";
    /// A transaction set of another kind between the 835s; it was passed over.
    OTHER_TRANSACTION = "other_transaction", "hand it in where it belongs; it was not read";
    /// Another version of the 835 than 005010X221A1; it was read all the same.
    VERSION_OTHER = "version_other", "compare some statements with their source before the batch is released";
    /// A Bundle begins and has no end.
    BUNDLE_NOT_CLOSED = "bundle_not_closed", "ask the sender for the whole file; what was whole was read";
    /// A Bundle is one page of several, or counts more entries than it has.
    BUNDLE_INCOMPLETE = "bundle_incomplete", "hand in the other pages too, each as a file";
    /// Resources that are no claims and that claims do not refer to; they were passed over.
    OTHER_RESOURCE = "other_resource", "nothing, if they were meant to be there; they were not read";
    /// Resources around the claims for which there was no room.
    REFERENCES_NOT_KEPT = "references_not_kept", "split the file, each patient with its claims";
    // What a manifest states
    /// The manifest cannot be read.
    MANIFEST_MALFORMED = "manifest_malformed", "correct the manifest and hand in both files again";
    /// A moment in the manifest has no offset from UTC.
    MANIFEST_OFFSET = "manifest_offset_missing", "write the moment with its offset from UTC and hand in both files again";
    /// The file is another one than the manifest states.
    MANIFEST_SHA256 = "manifest_sha256_differs", "hand in the file that the manifest was made for, or its own manifest";
    /// The manifest's expiry is over.
    MANIFEST_EXPIRED = "manifest_expired", "ask whether these statements are still wanted; if so, hand them in with a later expiry";
    /// Rows or totals are not what the manifest states.
    MANIFEST_TOTALS = "manifest_totals_differ", "find out which side is wrong: rows may be missing, doubled or unreadable; nothing of the file was accepted";
    /// A statement is of another kind than the manifest states.
    MANIFEST_KIND = "manifest_kind_differs", "hand in bills and statements apart, each with its own manifest; nothing of the file was accepted";
    // Refusals of a file
    /// A Bundle is damaged between its entries.
    BUNDLE_BROKEN = "bundle_broken", "ask the sender for the file again";
    /// A history, which holds several versions of the same resource.
    BUNDLE_HISTORY = "bundle_history", "ask the sender for a searchset, a collection or a batch";
    /// FHIR without any ExplanationOfBenefit.
    NO_STATEMENTS = "no_statements", "hand in ExplanationOfBenefit resources; Patient resources are a contact file";
    /// Nothing in it.
    EMPTY_FILE = "empty_file", "ask the sender for the file again";
    /// Not an 835.
    NOT_AN_835 = "not_an_835", "hand in an X12 835 (005010X221A1), FHIR R4 or NDJSON of our schema";
    /// None of the formats that are read.
    FORMAT_UNKNOWN = "format_unknown", "hand in an X12 835 (005010X221A1), FHIR R4, NDJSON of our schema, or delimited text with its column map";
    /// A delimited or fixed-width file without the columns of its map.
    COLUMNS_DIFFER = "columns_differ", "name the column map this file is for, or correct the map; see configs/columns";
    /// The rows of a claim do not follow each other.
    CLAIM_ROWS_APART = "claim_rows_apart", "sort the file by claim, or say rows = \"anywhere\" in the column map";
    /// More rows than can be held in memory.
    TOO_MANY_ROWS = "too_many_rows", "sort the file by claim and say rows = \"adjacent\" in the column map";
    /// The file cannot be read to its end.
    UNREADABLE = "unreadable", "check the disk or the share the file lies on, then hand it in again";
    /// A compressed file ends before its end.
    WRAPPING_TRUNCATED = "wrapping_truncated", "hand the file in again when it has arrived whole";
    /// A compressed file is damaged.
    WRAPPING_DAMAGED = "wrapping_damaged", "ask the sender for the file again";
    /// A zip file that does not hold exactly one file.
    WRAPPING_MEMBERS = "wrapping_members", "put exactly one batch file into a zip";
    /// A zip file that cannot be opened.
    WRAPPING_UNREADABLE = "wrapping_unreadable", "ask the sender for a plain, gzip or zip file without a password";
    /// A compressed file that unwraps to more than is allowed.
    WRAPPING_TOO_LARGE = "wrapping_too_large", "ask the sender whether this is the file that was meant; hand it in unwrapped if it is";
    /// A contact file without the columns it needs.
    COLUMNS_MISSING = "columns_missing", "give the contact file a header with member_id, email, and name or birth_date";
    /// More rows than the limit.
    TOO_MANY_CONTACTS = "too_many_contacts", "split the batch and its contact file";
    // Contact rows
    /// A contact row is longer than the limit.
    ROW_TOO_LONG = "row_too_long", "check the quotes of this row";
    /// A contact row with more fields than the header.
    COLUMN_COUNT_DIFFERS = "column_count_differs", "put quotes around fields that contain the delimiter";
    /// A span of days that ends before it begins.
    DATES_OUT_OF_ORDER = "dates_out_of_order", "correct the first or the last day of this span";
    /// A Patient resource that is not in use any more.
    PATIENT_INACTIVE = "patient_inactive", "nothing, if another record has taken its place; else ask the sender why it is not active";
    /// A contact row without a member id.
    MEMBER_ID_MISSING = "member_id_missing", "state the member id";
    /// A contact row with neither a name nor a birth date: it could only be joined by id.
    NAME_AND_BIRTH_DATE_MISSING = "name_and_birth_date_missing", "state the name or the birth date";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_each_says_what_to_do() {
        for (at, code) in ALL.iter().enumerate() {
            assert!(!ALL[..at].contains(code), "{code} twice");
            assert!(action(code).len() > 10, "{code}");
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{code}");
        }
    }
}
