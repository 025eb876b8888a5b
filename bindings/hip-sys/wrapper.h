/* What bindgen reads: the C view of the HIP runtime API, nothing of hipcc's C++. */
#include <hip/hip_runtime_api.h>
/* The property struct of runtimes before 6.0, which the safe layer falls back to. */
#include <hip/hip_deprecated.h>
