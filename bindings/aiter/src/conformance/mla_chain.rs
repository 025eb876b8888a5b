//! Conformance of persistent decode as AITER runs it: metadata, attention and reduction, all by its own kernels.

use std::fmt;

use hip::DeviceBuffer;
use numerics::bf16;

use super::mla::{GRANULARITY, WORKGROUPS, choice};
use super::mla_problem::{Inputs, PAGE, Problem};
use super::schedule::{self, Schedule};
use super::{Lab, Outcome, Tally};
use crate::reference::{Allowed, Stored};
use crate::{
    Error, HipSource, MLA_VALUE, MetadataOperands, MetadataShape, Mla, MlaFormat, MlaMetadata, MlaReduce,
    MlaRow, MlaShape, MlaWork, ReduceOperands, ReduceShape, Result, WorkItem,
};

pub(super) const FINDINGS: &[&str] = &[
    "Metadata (v1.2, which `get_mla_metadata_v1` chooses in fast mode) and reduction are AITER's HIP sources, compiled \
     by the test from the folder in AITER_SRC with AITER's options. Both run in all four schedules. The attention \
     between them, whose own schedules are in the table of `mla`, runs in lockstep with loads that take 8 instructions, \
     that for e4m3 and 1 token with loads that arrive at once.",
    "AITER's header custom_all_reduce.cuh, which both sources include for its reductions of a wave, compiles with a \
     current clang only if `__restrict__` is empty in it. Of the 644 reductions and 160 divisions that AITER \
     instantiates, the 12 and 6 are compiled that these objects need.",
];

pub(super) const BOUND: &str = "that of `mla`, and for the merge of n parts in f32: (2·δ + (16 + 2·n)·2^-23) of the \
                                largest value, δ the bound of a part's log-sum-exp; bf16 results are rounded or cut \
                                off (2^-7).";

/// One case: sequences of these lengths, on so many persistent workgroups.
#[derive(Clone, Copy)]
struct Case {
    lengths: &'static [usize],
    workgroups: usize,
    /// Most parts of a sequence.
    splits: Option<usize>,
}

const fn case(lengths: &'static [usize], workgroups: usize, splits: Option<usize>) -> Case {
    Case { lengths, workgroups, splits }
}

/// Whole sequences, sequences in 2 to 48 parts (two and three parts take another path through the reduction than four
/// and more), unequal ones, tails around blocks of 16 keys.
const CASES: &[Case] = &[
    case(&[8], WORKGROUPS, None),
    case(&[64], 1, None),
    case(&[196], 2, None),
    case(&[63, 65], WORKGROUPS, None),
    case(&[129], 3, None),
    case(&[195, 196, 197], WORKGROUPS, None),
    case(&[500], WORKGROUPS, None),
    case(&[500], WORKGROUPS, Some(2)),
    case(&[130, 33], WORKGROUPS, None),
    case(&[300], 12, None),
    case(&[1000], 48, None),
    case(&[700, 20], 16, Some(4)),
    case(&[256, 256], 4, None),
    case(&[257, 17, 81], 8, None),
];

/// The compiled kernels.
struct Compiled {
    metadata: MlaMetadata,
    reduce: MlaReduce,
}

pub(super) fn run(lab: &mut Lab) -> Result<()> {
    let family = Mla::open(lab.kernels())?;
    let compiled = match HipSource::from_environment() {
        Ok(source) => {
            Ok(Compiled { metadata: MlaMetadata::compile(&source)?, reduce: MlaReduce::compile(&source)? })
        }
        Err(reason @ Error::NoSource) => Err(reason),
        Err(error) => return Err(error),
    };
    for row in family.rows().iter().filter(|row| row.persistent && !row.prefill) {
        for case in CASES {
            let mut problem = None;
            lab.case(&row.object, case.to_string(), |lab| match &compiled {
                Ok(compiled) => compare(lab, compiled, row, case, &mut problem),
                Err(reason) => Ok(Outcome::Excluded(reason.to_string())),
            })?;
        }
    }
    Ok(())
}

fn compare(
    lab: &mut Lab,
    compiled: &Compiled,
    row: &MlaRow,
    case: &Case,
    problem: &mut Option<Problem>,
) -> Result<Outcome> {
    let (tokens, heads, batch) = (row.tokens, row.heads, case.lengths.len());
    let problem = problem.get_or_insert_with(|| Problem::new(lab, row, case.lengths, tokens));
    let inputs = Inputs::new(lab, problem)?;
    let all = batch * tokens;
    let shape = MetadataShape {
        batch,
        tokens,
        workgroups: case.workgroups,
        splits: case.splits,
        granularity: GRANULARITY,
    };
    let plan = Plan::new(lab, shape)?;
    let device = lab.device().clone();
    compiled.metadata.launch(&device, row, shape, &plan.operands(&inputs), lab.stream())?;
    lab.stream().synchronize()?;

    let rows = shape.items() * tokens;
    let partial = lab.output::<f32>(rows * heads * MLA_VALUE)?;
    let partial_lse = lab.output::<f32>(rows * heads)?;
    let out = lab.output::<u16>(all * heads * MLA_VALUE)?;
    let out_lse = lab.output::<f32>(all * heads)?;
    let final_lse = || if row.writes_lse() { out_lse.as_slice().map(Some) } else { Ok(None) };
    let work = MlaWork::Lists {
        lists: plan.lists.as_slice(),
        items_start: plan.items_start.as_slice(),
        items: plan.items.as_slice(),
        out: out.as_slice()?,
        out_lse: final_lse()?,
    };
    let operands = inputs.operands(partial.as_slice()?, partial_lse.as_slice()?, work)?;
    let family = Mla::open(lab.kernels())?;
    let launch = MlaShape { batch, tokens, heads, page: PAGE, splits: 1 };
    lab.steadily(steady(row), |lab| {
        family.launch(choice(&family, row, tokens), launch, &operands, lab.stream())
    })?;
    let reduction = ReduceOperands {
        parts_start: plan.parts_start.as_slice(),
        tiles: plan.tiles.as_slice(),
        parts: plan.parts.as_slice(),
        partial: partial.as_slice()?,
        partial_lse: partial_lse.as_slice()?,
        out: out.as_slice()?,
        out_lse: final_lse()?,
    };
    compiled.reduce.launch(&device, ReduceShape { batch, tokens, heads }, &reduction, lab.stream())?;

    let (found, lse) = match (lab.read(&out)?, lab.read(&out_lse)?) {
        (Ok(found), Ok(lse)) => (found, lse),
        (Err(violation), _) | (_, Err(violation)) => return Ok(Outcome::Failed(violation)),
    };
    let parts_start = plan.parts_start.to_vec()?;
    let mut tally = Tally::default();
    for token in 0..all {
        let sequence = token / tokens;
        let parts = f64::from(parts_start[sequence + 1] - parts_start[sequence]);
        let rounding = (16.0 + 2.0 * parts) * 2.0_f64.powi(-23);
        let largest = problem.largest(row, sequence);
        for head in 0..heads {
            let truth = problem.head(row, token, head);
            let merge = (2.0 * truth.lse_error + rounding) * largest;
            let at = token * heads + head;
            for d in 0..MLA_VALUE {
                let allowed = Allowed::new(truth.value[d], truth.error[d] + merge, Stored::Bf16Truncated);
                let found = f64::from(bf16::to_f32(found[at * MLA_VALUE + d]));
                tally.add(allowed, found, || format!("token {token} head {head} [{d}]"));
            }
            if row.writes_lse() {
                let error = truth.lse_error + rounding * (1.0 + truth.lse.abs());
                let allowed = Allowed::new(truth.lse, error, Stored::F32);
                tally.add(allowed, f64::from(lse[at]), || format!("token {token} head {head} log-sum-exp"));
            }
        }
    }
    Ok(Outcome::Compared(tally))
}

/// A schedule in which a persistent attention kernel is right; see its family's table.
fn steady(row: &MlaRow) -> Schedule {
    match (row.q, row.tokens) {
        (MlaFormat::Fp8, 1) => schedule::ALL[0],
        _ => schedule::TIMED[0],
    }
}

/// The lists that the metadata kernel fills and the others read. What it does not write is -1.
struct Plan {
    lists: DeviceBuffer<u64>,
    items_start: DeviceBuffer<i32>,
    items: DeviceBuffer<WorkItem>,
    parts_start: DeviceBuffer<i32>,
    tiles: DeviceBuffer<i32>,
    parts: DeviceBuffer<i32>,
}

impl Plan {
    fn new(lab: &Lab, shape: MetadataShape) -> Result<Self> {
        let unwritten = |len| lab.upload(&vec![-1_i32; len]);
        let item: WorkItem = bytemuck::cast([-1_i32; 8]);
        Ok(Self {
            lists: lab.upload(&[0; 2])?,
            items_start: unwritten(shape.workgroups + 1)?,
            items: lab.upload(&vec![item; shape.items()])?,
            parts_start: unwritten(shape.batch + 1)?,
            tiles: unwritten(2 * shape.batch)?,
            parts: unwritten(shape.items())?,
        })
    }

    fn operands<'a>(&'a self, inputs: &'a Inputs) -> MetadataOperands<'a> {
        MetadataOperands {
            q_start: inputs.q_start.as_slice(),
            page_start: inputs.page_start.as_slice(),
            last_page: inputs.last_page.as_slice(),
            lists: self.lists.as_slice(),
            items_start: self.items_start.as_slice(),
            items: self.items.as_slice(),
            parts_start: self.parts_start.as_slice(),
            tiles: self.tiles.as_slice(),
            parts: self.parts.as_slice(),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lengths, workgroups, splits } = self;
        write!(f, "lengths {lengths:?} workgroups {workgroups}")?;
        splits.map_or(Ok(()), |splits| write!(f, " splits {splits}"))
    }
}
