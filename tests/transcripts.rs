//! `tests/cmd/*.trycmd`: what a person types and sees.

#[test]
fn transcripts() {
    let cases = trycmd::TestCases::new();
    cases.register_bin("mi355x", std::path::Path::new(env!("CARGO_BIN_EXE_mi355x")));
    cases
        .env("MI355X_HIP_LIBRARY", "/nowhere/libamdhip64.so")
        .env("COLUMNS", "100")
        .case("tests/cmd/*.trycmd");
    cases.run();
}
