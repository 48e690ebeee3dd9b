//! The templates of a bundle, compiled once.
//!
//! A *template set* is a folder with `NAME.html`, `NAME.txt`, `subject.txt` and `preheader.txt`; the folder `shared` holds
//! partials for `{% include %}`. All of them are compiled once for each language, and once more for each type of claim for which
//! the language's texts say something otherwise. Undefined names are errors, values in `.html` are escaped, and each render has a
//! limit on its steps and on its output.

use crate::codes::Codes;
use crate::environment::environment;
use crate::fixed_text::Strings;
use crate::language::{BASE, LanguageLines};
use crate::tongue::{Programs, Tongue};
use crate::words::Words;
use crate::{Bundle, TemplateError};
use model::statement::ClaimType;
use std::collections::BTreeMap;
use std::sync::Arc;

const STRINGS_NAME: &str = "strings.en.toml";
const LANGUAGES_NAME: &str = "languages.toml";
const SHARED: &str = "shared";
/// The template set of Explanations of Benefits.
pub(crate) const EOB_SET: &str = "eob";
/// The template set of billing statements.
pub(crate) const BILL_SET: &str = "bill";
/// The template set of notices.
pub(crate) const NOTICE_SET: &str = "notice";

/// The parts of a message a set has a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The page.
    Html,
    /// The text part.
    Text,
    /// The `Subject` field.
    Subject,
    /// What an inbox shows beside the subject.
    Preheader,
}

/// Names of one set's templates in the environment.
pub(crate) struct SetNames {
    pub(crate) set: String,
    /// Where it stands among the sets, and in each language its programs.
    pub(crate) at: usize,
    pub(crate) html: String,
    pub(crate) text: String,
    subject: String,
    preheader: String,
}

impl SetNames {
    fn new(set: &str, at: usize) -> Self {
        Self {
            set: set.to_owned(),
            at,
            html: format!("{set}/{set}.html"),
            text: format!("{set}/{set}.txt"),
            subject: format!("{set}/subject.txt"),
            preheader: format!("{set}/preheader.txt"),
        }
    }

    /// Of one part.
    pub(crate) fn of(&self, part: Part) -> &str {
        match part {
            Part::Html => &self.html,
            Part::Text => &self.text,
            Part::Subject => &self.subject,
            Part::Preheader => &self.preheader,
        }
    }
}

/// All sets of a bundle in all its languages, ready to render.
pub(crate) struct TemplateSets {
    /// By language and type of claim. English in general is always there.
    tongues: BTreeMap<String, BTreeMap<Option<&'static str>, Tongue>>,
    sets: Vec<SetNames>,
}

/// The name of a type of claim, as a table of `strings.LANGUAGE.toml` has it.
fn type_name(claim_type: ClaimType) -> &'static str {
    match claim_type {
        ClaimType::Medical => "medical",
        ClaimType::Pharmacy => "pharmacy",
        ClaimType::Dental => "dental",
        ClaimType::Vision => "vision",
    }
}

impl TemplateSets {
    /// Compiles a bundle's templates.
    ///
    /// # Errors
    /// [`TemplateError`] with file, line and what was expected.
    pub(crate) fn compile(bundle: &Bundle) -> Result<Self, TemplateError> {
        let files = bundle.files();
        if !files.contains_key(STRINGS_NAME) {
            return Err(TemplateError::Missing(STRINGS_NAME.to_owned()));
        }
        let lines = LanguageLines::read(LANGUAGES_NAME, files.get(LANGUAGES_NAME), bundle.identity())?;
        let mut tongues = BTreeMap::<_, BTreeMap<_, _>>::new();
        let sets = sets(files.keys().map(String::as_str));
        for language in languages(files.keys()) {
            let name = strings_name(language);
            let strings = Strings::read(&name, &files[&name], language, bundle.identity())?;
            let codes = Arc::new(Codes::read(files, language)?);
            for of_type in types_of(&name, &strings)? {
                let texts = strings.for_type(of_type, language, &lines, bundle.identity());
                let words = Words::new(&name, &texts, Arc::clone(&codes))?;
                let (environment, sources) = environment(files, &texts, &words.amounts)?;
                let programs = sets.iter().flatten().map(|set| Programs::new(&sources, set, &words.amounts)).collect();
                tongues.entry(language.to_owned()).or_default().insert(of_type, Tongue::new(environment, programs, words));
            }
        }
        Ok(Self { tongues, sets: sets? })
    }

    /// The templates in a language that the bundle has, for a type of claim.
    pub(crate) fn tongue(&self, language: &str, claim_type: Option<ClaimType>) -> &Tongue {
        let find = |language: &str, of_type| self.tongues.get(language)?.get(&of_type);
        let of_type = claim_type.and_then(|claim_type| find(language, Some(type_name(claim_type))));
        of_type.or_else(|| find(language, None)).or_else(|| find(BASE, None)).expect("English is compiled, or nothing is")
    }

    /// Each language, for claims in general.
    pub(crate) fn languages(&self) -> impl Iterator<Item = (&str, &Tongue)> {
        self.tongues.iter().filter_map(|(language, types)| Some((language.as_str(), types.get(&None)?)))
    }

    /// All sets, and all languages and types of claim, for the trial.
    pub(crate) fn for_trial(&mut self) -> (&[SetNames], impl Iterator<Item = &mut Tongue>) {
        (&self.sets, self.tongues.values_mut().flat_map(BTreeMap::values_mut))
    }

    /// The set of this name.
    pub(crate) fn set(&self, name: &str) -> Option<&SetNames> {
        self.sets.iter().find(|set| set.set == name)
    }
}

impl SetNames {
    /// Whether it is the set of this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.set == name
    }
}

/// The languages of a bundle: those that have texts.
pub(crate) fn languages<'a>(names: impl Iterator<Item = &'a String>) -> impl Iterator<Item = &'a str> {
    names.filter_map(|name| name.strip_prefix("strings.")?.strip_suffix(".toml"))
}

fn strings_name(language: &str) -> String {
    format!("strings.{language}.toml")
}

/// Claims in general, and the types of claims that have a table.
fn types_of(name: &str, strings: &Strings) -> Result<Vec<Option<&'static str>>, TemplateError> {
    let known = [ClaimType::Medical, ClaimType::Pharmacy, ClaimType::Dental, ClaimType::Vision].map(type_name);
    let mut types = vec![None];
    for found in strings.types() {
        let Some(known) = known.iter().find(|known| **known == found) else {
            let detail = format!("[{found}]: is no type of claim; there are medical, pharmacy, dental and vision");
            return Err(TemplateError::Table { name: name.to_owned(), detail });
        };
        types.push(Some(*known));
    }
    Ok(types)
}

/// The sets: folders that are not `shared`, each with its four templates.
fn sets<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<SetNames>, TemplateError> {
    let names: Vec<&str> = names.collect();
    let mut folders: Vec<&str> = names.iter().filter_map(|name| name.split_once('/')).map(|(folder, _)| folder).collect();
    folders.dedup();
    let mut sets = Vec::new();
    for folder in folders.into_iter().filter(|folder| *folder != SHARED) {
        let set = SetNames::new(folder, sets.len());
        for part in [Part::Html, Part::Text, Part::Subject, Part::Preheader] {
            if !names.contains(&set.of(part)) {
                return Err(TemplateError::Missing(set.of(part).to_owned()));
            }
        }
        sets.push(set);
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Renderer;
    use crate::identity::tests::invented;
    use std::path::Path;

    #[test]
    fn what_is_shipped_has_programs_that_say_what_the_template_engine_says() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates");
        let bundle = Bundle::from_dir(&folder, &invented()).unwrap();
        // The trial takes away those that say something else.
        let mut renderer = Renderer::new(&bundle).unwrap();
        let (sets, tongues) = renderer.sets_mut().for_trial();
        for tongue in tongues {
            for set in sets {
                let is_known = ["eob", "bill", "notice"].contains(&set.set.as_str());
                assert_eq!(tongue.has_programs(set), (true, is_known), "{}", set.set);
            }
        }
    }
}
