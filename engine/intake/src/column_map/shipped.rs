//! The maps that are compiled in: layouts of public claim files.

use super::ColumnMap;

/// Path and text of each, in the order of the folder.
pub const SHIPPED_MAPS: &[(&str, &str)] = &[
    ("configs/columns/cms-cclf5.toml", include_str!("../../../../configs/columns/cms-cclf5.toml")),
    ("configs/columns/cms-cclf7.toml", include_str!("../../../../configs/columns/cms-cclf7.toml")),
    ("configs/columns/cms-rif-carrier.toml", include_str!("../../../../configs/columns/cms-rif-carrier.toml")),
    ("configs/columns/cms-rif-inpatient.toml", include_str!("../../../../configs/columns/cms-rif-inpatient.toml")),
    ("configs/columns/cms-rif-outpatient.toml", include_str!("../../../../configs/columns/cms-rif-outpatient.toml")),
    ("configs/columns/cms-rif-pde.toml", include_str!("../../../../configs/columns/cms-rif-pde.toml")),
    ("configs/columns/cms-synpuf-carrier.toml", include_str!("../../../../configs/columns/cms-synpuf-carrier.toml")),
    ("configs/columns/cms-synpuf-pde.toml", include_str!("../../../../configs/columns/cms-synpuf-pde.toml")),
    ("configs/columns/sealpost.toml", include_str!("../../../../configs/columns/sealpost.toml")),
    ("configs/columns/synthea-transactions.toml", include_str!("../../../../configs/columns/synthea-transactions.toml")),
];

pub(super) fn name_of(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".toml").unwrap_or(file)
}

pub(super) fn read(path: &str, text: &str) -> ColumnMap {
    match ColumnMap::parse(name_of(path), path, text) {
        Ok(map) => map,
        Err(errors) => unreachable!("a test holds the shipped maps to be right: {errors}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_map_is_right() {
        for (path, text) in SHIPPED_MAPS {
            let map = ColumnMap::parse(name_of(path), path, text).unwrap_or_else(|errors| panic!("{errors}"));
            assert!(!map.title().is_empty(), "{path}");
            assert_eq!(ColumnMap::shipped(map.name()).unwrap().name(), map.name());
        }
        assert_eq!(ColumnMap::all_shipped().len(), SHIPPED_MAPS.len());
        assert!(ColumnMap::shipped("nobody").is_none());
    }
}
