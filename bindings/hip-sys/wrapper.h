/* What bindgen reads: the C view of the HIP runtime API, nothing of hipcc's C++. */
#include <hip/hip_runtime_api.h>
