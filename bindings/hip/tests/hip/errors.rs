//! What an error tells.

use hip::{DeviceBuffer, Error, Event, Module, Stream, hipError_t};

use crate::stub::{HOST, runtime};

#[test]
fn an_error_names_call_operands_status_and_library() {
    let runtime = runtime(&[
        HOST,
        r#"
        const char* hipGetErrorName(int status) { return status == 801 ? "hipErrorNotSupported" : 0; }
        const char* hipGetErrorString(int status) { return "operation not supported"; }
        int hipDeviceSynchronize(void) { return 801; }
        int hipMemGetInfo(size_t* free, size_t* total) { return 4242; }"#,
    ]);
    let device = runtime.device(0).unwrap();
    let path = runtime.library_path().display().to_string();
    assert_eq!(
        device.synchronize().unwrap_err().to_string(),
        format!(
            "hipDeviceSynchronize(device = 0) failed: hipErrorNotSupported (801): operation not supported; \
             library {path}"
        )
    );
    // A status that HIP does not know, and a library without a name for it.
    let error = device.memory_info().unwrap_err();
    assert_eq!(error.code(), Some(hipError_t(4242)));
    assert!(error.to_string().contains("unnamed status (4242)"), "{error}");
}

#[test]
fn a_missing_function_is_named_when_it_is_needed() {
    let runtime = runtime(&[HOST]);
    let device = runtime.device(0).unwrap();
    let error = Stream::new(&device).unwrap_err();
    assert!(
        matches!(&error, Error::MissingSymbol(missing) if missing.symbol == "hipStreamCreateWithFlags"),
        "{error}"
    );
    assert!(DeviceBuffer::<u8>::zeroed(&device, 4).is_ok(), "the rest works");
}

#[test]
fn a_failed_release_becomes_the_next_error_once() {
    let runtime = runtime(&[
        "#define hipFree hipFreeThatWorks\n",
        HOST,
        "#undef hipFree\nint hipFree(void* pointer) { return 700; }",
    ]);
    let device = runtime.device(0).unwrap();
    drop(DeviceBuffer::<u8>::new(&device, 4).unwrap());
    let error = runtime.check_releases().unwrap_err();
    assert!(matches!(error, Error::Deferred { count: 1, .. }), "{error}");
    assert_eq!(error.code(), Some(hipError_t::hipErrorIllegalAddress));
    runtime.check_releases().unwrap();
    let buffers = [(); 3].map(|()| DeviceBuffer::<u8>::new(&device, 4).unwrap());
    drop(buffers);
    let error = DeviceBuffer::<u8>::new(&device, 4).unwrap_err();
    assert!(matches!(error, Error::Deferred { count: 3, .. }), "{error}");
    assert!(DeviceBuffer::<u8>::new(&device, 4).is_ok(), "told once");
}

#[test]
fn the_fault_is_told_with_asynchronous_errors_only() {
    let runtime = runtime(&[
        HOST,
        r#"
        static int status = 719;
        const char* vhipInfo(void) { return "{}"; }
        int vhipLastFault(char* buffer, size_t length) {
          const char* text = "{\"kind\": \"trap\", \"message\": \"trap 2\", \"kernel\": \"k\", \"exec\": 18446744073709551615}";
          strncpy(buffer, text, length);
          return strlen(text);
        }
        int hipDeviceSynchronize(void) { int now = status; status = 1; return now; }"#,
    ]);
    let device = runtime.device(0).unwrap();
    let error = device.synchronize().unwrap_err();
    let fault = error.fault().unwrap();
    assert_eq!((fault.kind.as_str(), fault.exec), ("trap", Some(u64::MAX)));
    assert!(error.to_string().ends_with("; device fault: trap 2 in kernel k"), "{error}");
    let error = device.synchronize().unwrap_err();
    assert_eq!((error.code(), error.fault()), (Some(hipError_t::hipErrorInvalidValue), None));
}

#[test]
fn a_fault_that_cannot_be_read_keeps_its_text() {
    let runtime = runtime(&[
        HOST,
        r#"
        const char* vhipInfo(void) { return "{}"; }
        int vhipLastFault(char* buffer, size_t length) { strncpy(buffer, "something", length); return 9; }
        int hipDeviceSynchronize(void) { return 700; }"#,
    ]);
    let error = runtime.device(0).unwrap().synchronize().unwrap_err();
    assert_eq!(error.fault().unwrap().message, "something");
}

#[test]
fn not_ready_is_no_error() {
    let runtime = runtime(&[
        HOST,
        r#"
        int hipStreamCreateWithFlags(void** out, unsigned flags) { *out = (void*)16; return 0; }
        int hipStreamDestroy(void* stream) { return 0; }
        int hipStreamQuery(void* stream) { return 600; }
        int hipEventCreateWithFlags(void** out, unsigned flags) { *out = (void*)16; return 0; }
        int hipEventDestroy(void* event) { return 0; }
        int hipEventQuery(void* event) { return 600; }
        int hipEventElapsedTime(float* out, void* from, void* to) { *out = 0.5f; return 600; }"#,
    ]);
    let device = runtime.device(0).unwrap();
    assert!(!Stream::new(&device).unwrap().is_idle().unwrap());
    let event = Event::new(&device).unwrap();
    assert!(!event.is_complete().unwrap());
    assert_eq!(event.elapsed_ms_since(&event).unwrap_err().code(), Some(hipError_t::hipErrorNotReady));
}

#[test]
fn a_broken_code_object_does_not_reach_the_library() {
    // It has no hipModuleLoadData: reaching it would be another error.
    let device = runtime(&[HOST]).device(0).unwrap();
    for data in [&b""[..], b"text", b"\x7fELF\x02\x01\x01", b"__CLANG_OFFLOAD_BUNDLE__\x01\0\0\0\0\0\0\0"] {
        let error = Module::load(&device, data).unwrap_err();
        assert!(matches!(error, Error::Argument { call: "hipModuleLoadData", .. }), "{error}");
    }
    let error = Module::load_file(&device, std::path::Path::new("absent.co")).unwrap_err();
    assert!(matches!(error, Error::ReadCodeObject { .. }), "{error}");
}
