use super::*;

#[test]
fn bounds_are_exact_and_named() {
    let memory = Memory::new(1 << 30);
    let base = memory.alloc(1000).expect("fits");
    assert_eq!(base % ALLOCATION_ALIGN, 0);
    memory.write(base + 996, &[1, 2, 3, 4]).expect("the last four bytes");
    assert_eq!(
        memory.write(base + 997, &[0; 4]),
        Err(MemoryError::OutOfBounds {
            operation: "write",
            address: base + 997,
            bytes: 4,
            inside: Allocation { base, bytes: 1000, kind: AllocationKind::Device },
        })
    );
    assert!(matches!(memory.read(base - 1, &mut [0]), Err(MemoryError::Unallocated { .. })));
    assert!(matches!(memory.read(base + 1000, &mut [0]), Err(MemoryError::Unallocated { .. })));
    let mut last = [0; 4];
    memory.read(base + 996, &mut last).expect("in bounds");
    assert_eq!(last, [1, 2, 3, 4]);
}
