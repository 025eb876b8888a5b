// Global memory, as the address space that it is: a plain pointer could be LDS to the compiler, and every access a
// flat one.
#pragma once
#include "types.h"

template <class T>
using global = __attribute__((address_space(1))) T;

/// `pointer` moved by bytes; 64-bit, tensors may exceed 4 GiB.
DEVICE const uint8_t* at(const void* pointer, uint64_t bytes) {
  return static_cast<const uint8_t*>(pointer) + bytes;
}
DEVICE uint8_t* at(void* pointer, uint64_t bytes) { return static_cast<uint8_t*>(pointer) + bytes; }

template <class T>
DEVICE T load(const void* address) {
  return *(const global<T>*)address;
}

template <class T>
DEVICE void store(void* address, T value) {
  *(global<T>*)address = value;
}

/// A value at any address: a layout of bytes promises no alignment.
template <class T>
struct __attribute__((packed, aligned(1))) Unaligned {
  T value;
};

template <class T>
DEVICE T load_unaligned(const void* address) {
  return ((const global<Unaligned<T>>*)address)->value;
}

template <class T>
DEVICE void store_unaligned(void* address, T value) {
  ((global<Unaligned<T>>*)address)->value = value;
}
