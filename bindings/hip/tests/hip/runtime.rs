//! What a runtime says about itself and its devices.

use hip::{Error, RuntimeKind, hipError_t};

use crate::stub::{HOST, runtime};

#[test]
fn no_device_is_an_answer_and_asking_for_one_an_error() {
    let runtime = runtime(&["int hipGetDeviceCount(int* count) { *count = 0; return 100; }"]);
    assert_eq!(runtime.device_count().unwrap(), 0);
    assert!(runtime.devices().unwrap().is_empty());
    let error = runtime.device(0).unwrap_err();
    assert!(
        matches!(&error, Error::Argument { call: "hipSetDevice", reason } if reason.contains("has 0 device(s)")),
        "{error}"
    );
}

#[test]
fn another_failure_to_count_is_not_zero_devices() {
    let runtime = runtime(&["int hipGetDeviceCount(int* count) { *count = 0; return 35; }"]);
    assert_eq!(runtime.device_count().unwrap_err().code(), Some(hipError_t::hipErrorInsufficientDriver));
}

#[test]
fn a_library_without_the_extension_is_not_virtual() {
    let runtime = runtime(&[HOST]);
    assert_eq!(runtime.kind(), RuntimeKind::Rocm);
    assert!(runtime.virtual_info().unwrap().is_none());
    assert!(runtime.last_report().unwrap().is_none());
    assert!(runtime.last_fault().is_none());
    let error = runtime.set_option("seed", "1").unwrap_err();
    assert!(error.to_string().contains("only the virtual runtime has settings"), "{error}");
}

#[test]
fn settings_are_passed_on_and_refusals_told_apart() {
    let runtime = runtime(&[
        HOST,
        r#"
        const char* vhipInfo(void) { return "{\"library\": \"stub\"}"; }
        int vhipSetOption(const char* key, const char* value) {
          return strcmp(key, "seed") ? 1 : strcmp(value, "7") ? 2 : 0;
        }"#,
    ]);
    assert_eq!(runtime.kind(), RuntimeKind::Virtual);
    assert_eq!(runtime.virtual_info().unwrap().unwrap()["library"], "stub");
    runtime.set_option("seed", "7").unwrap();
    let unknown = runtime.set_option("speed", "7").unwrap_err().to_string();
    assert!(unknown.contains("speed = 7") && unknown.contains("no such setting"), "{unknown}");
    let refused = runtime.set_option("seed", "8").unwrap_err().to_string();
    assert!(refused.contains("cannot take this value"), "{refused}");
    let broken = runtime.set_option("seed\0", "7").unwrap_err().to_string();
    assert!(broken.contains("NUL"), "{broken}");
}

#[test]
fn text_that_is_not_json_is_an_error_of_its_function() {
    let runtime = runtime(&[
        HOST,
        r#"
        const char* vhipInfo(void) { return "virtual"; }
        int vhipReport(char* buffer, size_t length) { strncpy(buffer, "{", length); return 1; }"#,
    ]);
    for error in [runtime.virtual_info().unwrap_err(), runtime.last_report().unwrap_err()] {
        assert!(matches!(error, Error::Extension { .. }), "{error}");
    }
}

#[test]
fn a_report_longer_than_the_buffer_is_read_whole() {
    let runtime = runtime(&[
        HOST,
        r#"
        const char* vhipInfo(void) { return "{}"; }
        int vhipReport(char* buffer, size_t length) {
          int whole = 10002;
          char text[10003];
          memset(text, 'x', sizeof text);
          text[0] = text[whole - 1] = '"';
          text[whole] = 0;
          size_t part = length <= whole ? length - 1 : whole;
          memcpy(buffer, text, part);
          buffer[part] = 0;
          return whole;
        }"#,
    ]);
    assert_eq!(runtime.last_report().unwrap().unwrap().as_str().map(str::len), Some(10_000));
}

#[test]
fn an_older_runtime_gives_the_older_properties() {
    // The C struct's first fields; the rest of its 792 bytes stays zero.
    let runtime = runtime(&[
        HOST,
        r#"
        int hipGetDevicePropertiesR0000(void* out, int device) {
          memset(out, 0, 792);
          strcpy(out, "old card");
          *(size_t*)((char*)out + 256) = 1 << 20;
          return 0;
        }"#,
    ]);
    let properties = runtime.device(0).unwrap().properties().unwrap();
    assert_eq!((properties.name.as_str(), properties.memory_bytes), ("old card", 1 << 20));
}

#[test]
fn without_either_property_function_the_newer_is_missed() {
    let error = runtime(&[HOST]).device(0).unwrap().properties().unwrap_err();
    assert!(
        matches!(&error, Error::MissingSymbol(missing) if missing.symbol == "hipGetDevicePropertiesR0600"),
        "{error}"
    );
}
