"""The vector file: groups of cases, one group for an instruction text.

    = mnemonic source kind      kind: lane (a case is a lane of one wave) or wave (a case is a wave)
    | instruction               one or more lines of assembly
    u name=hex …                state that all cases share
    < column …                  what a case sets
    > column[:class] …          what a case expects; everything else must keep its value
    hex … ; hex …               a case

Columns: `v2` a register, `v2.2` two of them as one number, `s20.2`, `vcc`, `exec`, `scc`, `m0`, `mode`;
`bit:s20` a lane's bit of a mask; `lds`, `mem` dwords of memory, as expected values `index=dword,…` of what changed.
In a wave case a vector column is its 64 lanes in order. Classes of results: none exact, `f32` and the like exact
but any NaN for a NaN, `f32~1` also one unit in the last place off, `pk16` and the like by parts, `any` not looked at.
"""

from dataclasses import dataclass, field


@dataclass
class Group:
    mnemonic: str
    source: str
    code: list
    inputs: list
    outputs: list
    kind: str = "lane"
    shared: dict = field(default_factory=dict)
    cases: list = field(default_factory=list)

    def text(self):
        lines = [f"= {self.mnemonic} {self.source} {self.kind}"]
        lines += [f"| {line}" for line in self.code]
        if self.shared:
            lines.append("u " + " ".join(f"{name}={value:x}" for name, value in self.shared.items()))
        lines += ["< " + " ".join(self.inputs), "> " + " ".join(self.outputs)]
        for inputs, outputs in self.cases:
            left = [show(column, value) for column, value in zip(self.inputs, inputs)]
            right = [show(column.split(":", 1)[0] if not column.startswith("bit:") else column, value)
                     for column, value in zip(self.outputs, outputs)]
            lines.append(" ".join(left) + " ; " + " ".join(right))
        return "\n".join(line.rstrip() for line in lines)


def dwords(column):
    return int(column.split(".")[1]) if "." in column else 1


def show(column, value):
    if column.startswith("bit:") or column == "scc":
        return str(value)
    if isinstance(value, dict):
        return ",".join(f"{index:x}={dword:x}" for index, dword in sorted(value.items())) or "-"
    digits = 16 if column in ("vcc", "exec") else 8 * dwords(column)
    if column in ("m0", "mode"):
        digits = 8
    if isinstance(value, list):
        return "".join(f"{x:0{digits}x}" for x in value)
    return f"{value:0{digits}x}"


def render(header, groups):
    """The text of a vector file."""
    return f"# {header}\n" + "".join(group.text() + "\n" for group in groups)
