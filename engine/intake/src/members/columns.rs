//! The columns of contact data, and the many names that exports give them.
//!
//! Names are compared folded: lower case, ASCII letters and digits only; so `consent_given_on`, `Consent Given On` and, in an object,
//! `{"consent": {"given_on": …}}` are one. A name that is not here is passed over, and said by `sealpost members check`: a misspelt
//! `consent_withdrawn_on` must not go unseen.

use std::borrow::Cow;

/// Names of columns that are passed over and kept for the operator; further ones are left out.
const PASSED_OVER_MAX: usize = 64;
/// Characters kept of such a name.
const NAME_CHARACTERS_MAX: usize = 40;

macro_rules! columns {
    ($( $column:ident $field:ident = $name:literal: $($alias:literal)+; )*) => {
        /// A column or key that we know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Column { $($column),* }

        impl Column {
            /// Its plain name, for messages.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$column => $name),* }
            }
        }

        /// The fields of a row, trimmed; empty where it does not state one.
        #[derive(Default, PartialEq, Eq)]
        pub(super) struct ContactRow<'a> { $(pub(super) $field: Cow<'a, str>),* }

        impl std::fmt::Debug for ContactRow<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("ContactRow")
            }
        }

        impl<'a> ContactRow<'a> {
            pub(super) fn set(&mut self, column: Column, text: Cow<'a, str>) {
                match column { $(Column::$column => self.$field = text),* }
            }

            /// Each field with the name of its column.
            pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
                [$(($name, self.$field.as_ref())),*].into_iter()
            }
        }

        /// Folded names that mean a column, the plainest of each column first.
        const ALIASES: &[(&str, Column)] = &[$($(($alias, Column::$column)),+),*];
    };
}

columns! {
    MemberId member_id = "member_id": "memberid" "member" "membernumber" "memberno" "subscriberid" "id";
    Name name = "name": "name" "fullname" "membername" "displayname";
    GivenName given_name = "given_name": "givenname" "given" "firstname" "first" "memberfirstname" "forename";
    FamilyName family_name = "family_name": "familyname" "family" "lastname" "last" "memberlastname" "surname";
    BirthDate birth_date = "birth_date": "birthdate" "dateofbirth" "dob" "memberdob" "birthday" "born";
    Email email = "email": "email" "emailaddress" "mail" "memberemail" "mailaddress" "primaryemail";
    DeceasedOn deceased_on = "deceased_on": "deceasedon" "deceaseddate" "dateofdeath" "deathdate" "dod";
    ConsentKinds consent_kinds = "consent_kinds": "consentkinds" "consentkind" "consent" "electronicconsent" "econsent" "paperless";
    ConsentGivenOn consent_given_on = "consent_given_on": "consentgivenon" "consentdate" "consentgiven" "consentgivendate" "consentedon";
    ConsentWithdrawnOn consent_withdrawn_on = "consent_withdrawn_on":
        "consentwithdrawnon" "consentwithdrawn" "consentwithdrawndate" "consentrevokedon" "consentrevokeddate" "consentenddate";
    RepresentativeName representative_name = "representative_name": "representativename" "repname" "representative" "personalrepresentative";
    RepresentativeEmail representative_email = "representative_email": "representativeemail" "repemail" "representativeemailaddress";
    RepresentativeAuthority representative_authority = "representative_authority":
        "representativeauthority" "repauthority" "representativetype" "representativerelationship" "authority";
    RepresentativeFrom representative_from = "representative_from":
        "representativefrom" "repfrom" "representativefromdate" "representativestart" "representativestartdate";
    RepresentativeUntil representative_until = "representative_until":
        "representativeuntil" "repuntil" "representativeuntildate" "representativeto" "representativeend" "representativeenddate";
    SensitiveRoute sensitive_route = "sensitive_route":
        "sensitiveroute" "sensitiveserviceroute" "sensitiveaddress" "sensitiveemail" "confidentialemail" "confidentialroute";
    AlternativeAddress alternative_address = "alternative_address":
        "alternativeaddress" "alternateaddress" "alternativeemail" "alternateemail" "confidentialaddress";
    EffectiveFrom effective_from = "effective_from":
        "effectivefrom" "effectivedate" "effectivefromdate" "effectivestart" "effectivestartdate" "validfrom";
    EffectiveUntil effective_until = "effective_until":
        "effectiveuntil" "effectiveuntildate" "effectiveto" "effectivethrough" "effectiveend" "effectiveenddate" "validuntil" "validto";
    Language language = "language": "language" "preferredlanguage" "languagecode" "lang" "memberlanguage" "writtenlanguage";
    Format format = "format": "format" "preferredformat" "statementformat" "deliveryformat" "deliverypreference";
    Protection protection = "protection": "protection" "requiredprotection" "emailprotection";
    PostalLine1 postal_line_1 = "postal_line_1":
        "postalline1" "postaladdress" "postaladdress1" "addressline1" "address1" "address" "street" "street1" "streetaddress" "mailingaddress" "mailingaddress1";
    PostalLine2 postal_line_2 = "postal_line_2": "postalline2" "postaladdress2" "addressline2" "address2" "street2" "mailingaddress2";
    PostalCity postal_city = "postal_city": "postalcity" "city" "addresscity" "mailingcity" "town";
    PostalState postal_state = "postal_state": "postalstate" "state" "addressstate" "mailingstate" "stateprovince" "statecode";
    PostalCode postal_code = "postal_code": "postalcode" "zip" "zipcode" "addresszip" "mailingzip" "mailingpostalcode";
    PostalCountry postal_country = "postal_country": "postalcountry" "country" "addresscountry" "mailingcountry" "countrycode";
    AlternativePostalLine1 alternative_postal_line_1 = "alternative_postal_line_1":
        "alternativepostalline1" "alternativepostaladdress" "alternativeaddressline1" "alternativeaddress1" "alternateaddress1" "confidentialaddress1";
    AlternativePostalLine2 alternative_postal_line_2 = "alternative_postal_line_2":
        "alternativepostalline2" "alternativeaddressline2" "alternativeaddress2" "alternateaddress2" "confidentialaddress2";
    AlternativePostalCity alternative_postal_city = "alternative_postal_city":
        "alternativepostalcity" "alternativecity" "alternatecity" "confidentialcity";
    AlternativePostalState alternative_postal_state = "alternative_postal_state":
        "alternativepostalstate" "alternativestate" "alternatestate" "confidentialstate";
    AlternativePostalCode alternative_postal_code = "alternative_postal_code":
        "alternativepostalcode" "alternativezip" "alternatezip" "confidentialzip";
    AlternativePostalCountry alternative_postal_country = "alternative_postal_country":
        "alternativepostalcountry" "alternativecountry" "alternatecountry" "confidentialcountry";
}

impl Column {
    /// Whether a file that has this column states who consented. One that states withdrawals alone does not.
    const fn is_consent(self) -> bool {
        matches!(self, Self::ConsentKinds | Self::ConsentGivenOn)
    }
}

/// The position of a name in the list of names; the lower of two that mean one column is the plainer.
pub(super) fn rank(name: &str) -> Option<usize> {
    let folded: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    ALIASES.iter().position(|(alias, _)| *alias == folded)
}

/// The column of a position.
pub(super) fn of_rank(rank: usize) -> Column {
    ALIASES[rank].1
}

/// The column a name means.
pub(super) fn column(name: &str) -> Option<Column> {
    rank(name).map(of_rank)
}

/// Which columns a file of contacts has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnsSeen {
    read: Vec<Column>,
    passed_over: Vec<String>,
}

impl ColumnsSeen {
    pub(super) fn note(&mut self, column: Column) {
        if !self.read.contains(&column) {
            self.read.push(column);
            self.read.sort_unstable();
        }
    }

    /// A name that means nothing here. It may be anything, so it is cut, and freed of what could disturb a terminal.
    pub(super) fn pass_over(&mut self, name: &str) {
        let plain: String = name.chars().filter(|character| !character.is_control()).take(NAME_CHARACTERS_MAX).collect();
        if !plain.is_empty() && self.passed_over.len() < PASSED_OVER_MAX && !self.passed_over.contains(&plain) {
            self.passed_over.push(plain);
        }
    }

    /// The columns that are read, by their plain names.
    pub fn read(&self) -> impl Iterator<Item = &'static str> {
        self.read.iter().map(|column| column.name())
    }

    /// Columns that mean nothing here, as the file names them; the first 64.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    pub(crate) fn has_consent_kinds(&self) -> bool {
        self.read.contains(&Column::ConsentKinds)
    }

    pub(crate) fn has_consent_days(&self) -> bool {
        self.read.contains(&Column::ConsentGivenOn)
    }

    /// Whether the file says who consented.
    pub fn states_consent(&self) -> bool {
        self.read.iter().any(|column| column.is_consent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_means_one_column_and_is_folded_already() {
        for (at, (alias, column)) in ALIASES.iter().enumerate() {
            assert_eq!(rank(alias), Some(at), "{alias} twice");
            assert!(alias.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{alias}");
            assert_eq!(super::column(column.name()), Some(*column), "the plain name of {alias} is read");
        }
        assert_eq!(column("Consent Withdrawn-On"), Some(Column::ConsentWithdrawnOn));
        assert_eq!(column("consent_withdrwan_on"), None);
    }

    #[test]
    fn what_is_passed_over_is_kept_for_the_operator_but_not_without_end() {
        let mut seen = ColumnsSeen::default();
        (0..200).for_each(|number| seen.pass_over(&format!("column {number} {}\u{7}", "x".repeat(100))));
        seen.pass_over("column 0");
        assert_eq!(seen.passed_over().len(), PASSED_OVER_MAX);
        assert!(seen.passed_over().iter().all(|name| name.chars().count() <= NAME_CHARACTERS_MAX && !name.contains('\u{7}')));
    }
}
