use super::*;

fn device(base: u64, bytes: u64) -> Allocation {
    Allocation { base, bytes, kind: AllocationKind::Device }
}

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
            inside: device(base, 1000)
        })
    );
    assert!(matches!(memory.read(base - 1, &mut [0]), Err(MemoryError::Unallocated { .. })));
    assert!(matches!(memory.read(base + 1000, &mut [0]), Err(MemoryError::Unallocated { .. })));
    assert!(matches!(memory.read(u64::MAX, &mut [0]), Err(MemoryError::Unallocated { .. })));
    let mut last = [0; 4];
    memory.read(base + 996, &mut last).expect("in bounds");
    assert_eq!(last, [1, 2, 3, 4]);
    assert_eq!(memory.allocation(base + 999), Some(device(base, 1000)));
    assert_eq!(memory.allocation(base + 1000), None);
}

#[test]
fn capacity_is_charged_by_the_page_and_given_back() {
    let memory = Memory::new(10 * 4096);
    let small = memory.alloc(1).expect("one page");
    let large = memory.alloc(8 * 4096).expect("eight pages");
    assert_eq!(memory.usage(), (4096, 10 * 4096));
    let refused = memory.alloc(4097);
    assert_eq!(refused, Err(MemoryError::OutOfMemory { bytes: 4097, free: 4096, total: 10 * 4096 }));
    assert_eq!(
        memory.alloc(u64::MAX),
        Err(MemoryError::OutOfMemory { bytes: u64::MAX, free: 4096, total: 10 * 4096 })
    );
    assert_eq!(memory.alloc(0), Err(MemoryError::ZeroBytes));
    let host = memory.alloc_host(1 << 20).expect("host memory has no capacity");
    memory.free(large).expect("live");
    assert_eq!(memory.usage().0, 9 * 4096);
    memory.free(host).expect("live");
    memory.free(small).expect("live");
    assert_eq!(memory.usage().0, 10 * 4096);
}

#[test]
fn misuse_of_free_is_named() {
    let memory = Memory::new(1 << 30);
    let base = memory.alloc(64).expect("fits");
    assert_eq!(
        memory.free(base + 1),
        Err(MemoryError::NotABase { address: base + 1, inside: device(base, 64) })
    );
    memory.free(base).expect("live");
    assert_eq!(
        memory.free(base),
        Err(MemoryError::Freed { operation: "free", address: base, was: device(base, 64) })
    );
    let stale = memory.write(base + 8, &[0]);
    assert_eq!(
        stale,
        Err(MemoryError::Freed { operation: "write", address: base + 8, was: device(base, 64) })
    );
    assert!(matches!(memory.free(4096), Err(MemoryError::Unallocated { .. })));
    // The addresses are not handed out again at once.
    let others: Vec<u64> = (0..8).map(|_| memory.alloc(64).expect("fits")).collect();
    assert!(!others.contains(&base));
}

#[test]
fn free_all_spares_code_and_registered_ranges() {
    let memory = Memory::new(1 << 30);
    let mut host = vec![0u8; 4096];
    let code = memory.alloc_kind(64, AllocationKind::Code).expect("fits");
    memory.alloc(64).expect("fits");
    memory.alloc_host(64).expect("fits");
    // SAFETY: `host` outlives the memory's use of it.
    unsafe { memory.register(host.as_mut_ptr() as u64, 4096) }.expect("free range");
    memory.free_all();
    let mut left: Vec<AllocationKind> =
        memory.allocations().iter().map(|allocation| allocation.kind).collect();
    left.sort_by_key(|kind| *kind as u8);
    assert_eq!(left, [AllocationKind::Code, AllocationKind::Registered]);
    assert!(memory.allocation(code).is_some());
}

#[test]
fn registered_ranges_are_the_programs_own_bytes() {
    let memory = Memory::new(1 << 30);
    let mut host = vec![1u8; 1024];
    let address = host.as_mut_ptr() as u64;
    // SAFETY: `host` outlives the memory's use of it.
    unsafe { memory.register(address, 1024) }.expect("free range");
    // SAFETY: as above, and refused.
    let again = unsafe { memory.register(address + 1000, 100) };
    assert!(
        matches!(again, Err(MemoryError::Overlap { with: Allocation { bytes: 1024, .. }, .. })),
        "{again:?}"
    );
    assert!(matches!(memory.free(address), Err(MemoryError::NotABase { .. })), "the program owns it");
    let base = memory.alloc(1024).expect("fits");
    memory.fill(base, &[7], 1024).expect("in bounds");
    memory.copy(address, base, 1000).expect("in bounds");
    assert_eq!(
        memory.copy(address + 1, base, 1024).expect_err("beyond").to_string(),
        format!(
            "copy target of 1024 bytes at {:#x} leaves the registered host allocation of 1024 bytes at {address:#x}",
            address + 1
        )
    );
    memory.unregister(address).expect("registered");
    assert_eq!(memory.unregister(address), Err(MemoryError::NotRegistered { address }));
    assert_eq!(host[999..1001], [7, 1]);
}

#[test]
fn fills_repeat_their_pattern_and_copies_may_overlap() {
    let memory = Memory::new(1 << 30);
    let base = memory.alloc(10).expect("fits");
    memory.fill(base, &[1, 2, 3, 4], 2).expect("in bounds");
    memory.copy(base + 2, base, 8).expect("in bounds");
    let mut bytes = [0; 10];
    memory.read(base, &mut bytes).expect("in bounds");
    assert_eq!(bytes, [1, 2, 1, 2, 3, 4, 1, 2, 3, 4]);
    assert!(matches!(memory.fill(base, &[1, 2, 3, 4], 3), Err(MemoryError::OutOfBounds { bytes: 12, .. })));
    memory.poison(base + 3).expect("live");
    memory.read(base, &mut bytes).expect("in bounds");
    assert_eq!(bytes[4..], [0xba, 0xff, 0xba, 0xff, 0xba, 0xff]);
}

#[test]
fn a_view_is_a_snapshot_that_keeps_its_pages() {
    let memory = Memory::new(1 << 30);
    let base = memory.alloc(4096).expect("fits");
    memory.write(base, &[42]).expect("in bounds");
    let before = memory.view();
    memory.free(base).expect("live");
    let mut word = [0];
    before.load(base, &mut word).expect("still mapped for this launch");
    assert_eq!(word, [42]);
    memory.view().load(base, &mut word).expect_err("gone for the next one");
    let later = memory.alloc(4096).expect("fits");
    before.load(later, &mut word).expect_err("not there when the launch began");
    memory.view().load(later, &mut word).expect("there now");
}

#[test]
fn fresh_memory_is_zero() {
    let memory = Memory::new(1 << 40);
    let base = memory.alloc(300 << 30).expect("more than this host has: nothing is backed");
    let mut ends = [1; 8];
    memory.read(base + (300 << 30) - 8, &mut ends).expect("in bounds");
    assert_eq!(ends, [0; 8]);
}

#[test]
fn many_allocations_are_told_apart() {
    let memory = Memory::new(1 << 40);
    let bases: Vec<u64> = (0..300).map(|i| memory.alloc(256 + 4 * i).expect("fits")).collect();
    let view = memory.view();
    for round in 0..2u64 {
        for (i, base) in bases.iter().enumerate() {
            let last = base + 252 + 4 * i as u64;
            if round == 0 {
                view.store(last, &[i as u32]).expect("the last dword");
                view.store(last + 4, &[0]).expect_err("beyond");
            } else {
                let mut word = [0];
                view.load(last, &mut word).expect("the last dword");
                assert_eq!(word, [i as u32]);
            }
        }
    }
}
