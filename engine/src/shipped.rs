//! What is compiled in: templates, limits of receivers, meanings of replies, column maps, warm-up. A test holds the lists to the folders.

/// Limits of receivers, in the order they are read.
pub const DESTINATIONS: &[(&str, &str)] = &[
    ("configs/destinations/apple.toml", include_str!("../../configs/destinations/apple.toml")),
    ("configs/destinations/default.toml", include_str!("../../configs/destinations/default.toml")),
    ("configs/destinations/europe.toml", include_str!("../../configs/destinations/europe.toml")),
    ("configs/destinations/gateways.toml", include_str!("../../configs/destinations/gateways.toml")),
    ("configs/destinations/google.toml", include_str!("../../configs/destinations/google.toml")),
    ("configs/destinations/loopback.toml", include_str!("../../configs/destinations/loopback.toml")),
    ("configs/destinations/microsoft.toml", include_str!("../../configs/destinations/microsoft.toml")),
    ("configs/destinations/north-america.toml", include_str!("../../configs/destinations/north-america.toml")),
    ("configs/destinations/yahoodns.toml", include_str!("../../configs/destinations/yahoodns.toml")),
];

/// What replies mean.
pub const BOUNCES: &[(&str, &str)] = &[
    ("configs/bounces/comcast.toml", include_str!("../../configs/bounces/comcast.toml")),
    ("configs/bounces/cox.toml", include_str!("../../configs/bounces/cox.toml")),
    ("configs/bounces/google.toml", include_str!("../../configs/bounces/google.toml")),
    ("configs/bounces/icloud.toml", include_str!("../../configs/bounces/icloud.toml")),
    ("configs/bounces/microsoft.toml", include_str!("../../configs/bounces/microsoft.toml")),
    ("configs/bounces/rfc.toml", include_str!("../../configs/bounces/rfc.toml")),
    ("configs/bounces/spectrum.toml", include_str!("../../configs/bounces/spectrum.toml")),
    ("configs/bounces/texts.toml", include_str!("../../configs/bounces/texts.toml")),
    ("configs/bounces/transport.toml", include_str!("../../configs/bounces/transport.toml")),
    ("configs/bounces/yahoodns.toml", include_str!("../../configs/bounces/yahoodns.toml")),
];

/// Layouts of delimited and fixed-width files. Compiled into `intake`, which finds a file's map by its header.
pub const COLUMNS: &[(&str, &str)] = intake::column_map::SHIPPED_MAPS;

/// How much a new address may send on each day.
pub const WARMUP: [(&str, &str); 1] = [("configs/pools/warmup.toml", include_str!("../../configs/pools/warmup.toml"))];

/// The template folder, by names relative to it.
pub const TEMPLATES: &[(&str, &str)] = &[
    ("announcement/announcement.html", include_str!("../../configs/templates/announcement/announcement.html")),
    ("announcement/announcement.txt", include_str!("../../configs/templates/announcement/announcement.txt")),
    ("announcement/preheader.txt", include_str!("../../configs/templates/announcement/preheader.txt")),
    ("announcement/subject.txt", include_str!("../../configs/templates/announcement/subject.txt")),
    ("bill/bill.html", include_str!("../../configs/templates/bill/bill.html")),
    ("bill/bill.txt", include_str!("../../configs/templates/bill/bill.txt")),
    ("bill/preheader.txt", include_str!("../../configs/templates/bill/preheader.txt")),
    ("bill/subject.txt", include_str!("../../configs/templates/bill/subject.txt")),
    ("codes.es.toml", include_str!("../../configs/templates/codes.es.toml")),
    ("codes.toml", include_str!("../../configs/templates/codes.toml")),
    ("eob/eob.html", include_str!("../../configs/templates/eob/eob.html")),
    ("eob/eob.txt", include_str!("../../configs/templates/eob/eob.txt")),
    ("eob/preheader.txt", include_str!("../../configs/templates/eob/preheader.txt")),
    ("eob/subject.txt", include_str!("../../configs/templates/eob/subject.txt")),
    ("languages.toml", include_str!("../../configs/templates/languages.toml")),
    ("notice/notice.html", include_str!("../../configs/templates/notice/notice.html")),
    ("notice/notice.txt", include_str!("../../configs/templates/notice/notice.txt")),
    ("notice/preheader.txt", include_str!("../../configs/templates/notice/preheader.txt")),
    ("notice/subject.txt", include_str!("../../configs/templates/notice/subject.txt")),
    ("shared/appeal.html", include_str!("../../configs/templates/shared/appeal.html")),
    ("shared/appeal.txt", include_str!("../../configs/templates/shared/appeal.txt")),
    ("shared/head.html", include_str!("../../configs/templates/shared/head.html")),
    ("shared/help.html", include_str!("../../configs/templates/shared/help.html")),
    ("shared/help.txt", include_str!("../../configs/templates/shared/help.txt")),
    ("shared/languages.html", include_str!("../../configs/templates/shared/languages.html")),
    ("shared/languages.txt", include_str!("../../configs/templates/shared/languages.txt")),
    ("shared/notes.html", include_str!("../../configs/templates/shared/notes.html")),
    ("shared/notes.txt", include_str!("../../configs/templates/shared/notes.txt")),
    ("shared/style.html", include_str!("../../configs/templates/shared/style.html")),
    ("strings.en.toml", include_str!("../../configs/templates/strings.en.toml")),
    ("strings.es.toml", include_str!("../../configs/templates/strings.es.toml")),
];
