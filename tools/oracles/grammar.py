"""The grammar of the pseudocode: text → tree of tuples."""

import re
from fractions import Fraction

import numbers_exact as fp
from values import SUFFIX, floating, integer

TOKEN = re.compile(
    r"""\s*(?:
    (?P<comment>//[^\n]*)
  | (?P<cast>\d+'[UIBF]\b(?!\w))
  | (?P<sized>\d+'-?(?:0x[0-9a-fA-F]+|\d+\.\d+|\d+)U?)
  | (?P<number>0x[0-9a-fA-F]+(?:ULL|LL|U)?|\d+\.\d+F?|\d+(?:ULL|LL|U)?)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op>\*\*|<<|>>|<=|>=|==|!=|<>|&&|\|\||\+=|-=|[-+*/%&|^~!?:;=<>(){}\[\],.])
)""",
    re.X,
)


def tokens(text):
    at, out = 0, []
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise SyntaxError(text[at : at + 40])
        at = match.end()
        kind = match.lastgroup
        if kind != "comment":
            out.append((kind, match.group(kind)))
    out.append(("end", ""))
    return out


class Parser:
    def __init__(self, text):
        self.tokens, self.at = tokens(text), 0

    def peek(self, *texts):
        return self.tokens[self.at][1] in texts and self.tokens[self.at][0] in ("op", "name")

    def take(self, text=None):
        kind, found = self.tokens[self.at]
        if text is not None and found != text:
            raise SyntaxError(f"{text} expected, not {found}")
        self.at += 1
        return found

    def accept(self, text):
        if self.peek(text):
            self.at += 1
            return True
        return False

    def block(self, *ends):
        """Statements up to one of `ends`, which stays."""
        out = []
        while not self.peek(*ends) and self.tokens[self.at][0] != "end":
            if not self.accept(";"):
                out.append(self.statement())
        return out

    def statement(self):
        if self.accept("if"):
            arms, otherwise = [], []
            while True:
                condition = self.expression()
                self.take("then")
                arms.append((condition, self.block("elsif", "else", "endif")))
                if self.accept("elsif"):
                    continue
                if self.accept("else"):
                    otherwise = self.block("endif")
                self.take("endif")
                return ("if", arms, otherwise)
        if self.accept("for"):
            name = self.take()
            self.take("in")
            first = self.expression(no_ternary=True)
            self.take(":")
            last = self.expression(no_ternary=True)
            self.take("do")
            body = self.block("endfor")
            self.take("endfor")
            return ("for", name, first, last, body)
        if self.accept("declare"):
            name = self.take()
            self.take(":")
            kind, text = self.tokens[self.at]
            self.at += 1
            count = None
            if self.accept("["):
                count = int(self.take())
                self.take("]")
            return ("declare", name, int(text.split("'")[0]), count)
        if self.accept("break"):
            return ("break",)
        if self.accept("return"):
            return ("return", self.expression())
        target = self.unary()
        for op in ("=", "+=", "-="):
            if self.accept(op):
                if self.peek("lambda"):
                    return self.function(target)
                value = self.expression()
                if op != "=":
                    value = ("binary", op[0], target, value)
                targets = [target]
                while self.accept("="):
                    targets.append(value)
                    value = self.expression()
                return ("assign", targets, value)
        return ("evaluate", target)

    def function(self, target):
        self.take("lambda")
        self.take("(")
        names = [self.take()]
        while self.accept(","):
            names.append(self.take())
        self.take(")")
        self.take("(")
        body = self.block(")")
        self.take(")")
        return ("lambda", target[1], names, body)

    LEVELS = [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!=", "<>"], ["<", ">", "<=", ">="], ["<<", ">>"],
              ["+", "-"], ["*", "/", "%"]]

    def expression(self, no_ternary=False):
        condition = self.binary(0)
        if not no_ternary and self.accept("?"):
            yes = self.expression()
            self.take(":")
            return ("choose", condition, yes, self.expression())
        return condition

    def binary(self, level):
        if level == len(self.LEVELS):
            return self.power()
        left = self.binary(level + 1)
        while self.peek(*self.LEVELS[level]) and self.tokens[self.at][0] == "op":
            op = self.take()
            left = ("binary", op, left, self.binary(level + 1))
        return left

    def power(self):
        base = self.unary()
        if self.accept("**"):
            return ("binary", "**", base, self.unary())
        return base

    def unary(self):
        for op in ("-", "+", "!", "~"):
            if self.peek(op):
                self.take()
                return ("unary", op, self.unary())
        return self.postfix(self.primary())

    def primary(self):
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return ("literal", literal(text), text)
        if kind == "sized":
            return ("literal", sized(text), text)
        if kind == "cast":
            self.take("(")
            inner = self.expression()
            self.take(")")
            return ("cast", text, inner)
        if text == "(":
            inner = self.expression()
            self.take(")")
            return inner
        if text == "{":
            parts = [self.expression()]
            while self.accept(","):
                parts.append(self.expression())
            self.take("}")
            return ("concat", parts)
        if kind == "name":
            if self.accept("("):
                arguments = []
                while not self.accept(")"):
                    arguments.append(self.expression())
                    self.accept(",")
                return ("call", text, arguments)
            return ("name", text)
        raise SyntaxError(f"unexpected {text!r}")

    def postfix(self, base):
        while True:
            if self.accept("."):
                suffix = self.take()
                base = ("typed", base, suffix) if SUFFIX.match(suffix) else ("name", f"{base[1]}.{suffix}")
            elif self.accept("["):
                high = self.expression(no_ternary=False)
                if self.accept(":"):
                    base = ("slice", base, high, self.expression())
                else:
                    base = ("index", base, high)
                self.take("]")
            else:
                return base


def literal(text):
    if "." in text:
        name = "f32" if text.endswith("F") else "f64"
        return floating(name, fp.encode(name, Fraction(text.rstrip("F"))))
    digits = text.rstrip("UL")
    number = int(digits, 0)
    suffix = text[len(digits):]
    width = 64 if "LL" in suffix or number >> 32 else 32
    return integer("u" if "U" in suffix else "i", width, number)


def sized(text):
    width, rest = text.split("'")
    if "." in rest:
        name = {"16": "f16", "32": "f32", "64": "f64"}[width]
        return floating(name, fp.encode(name, Fraction(rest), negative_zero=rest.startswith("-")))
    return integer("u" if rest.endswith("U") else "i", int(width), int(rest.rstrip("U"), 0))


def parse(text):
    parser = Parser(text)
    tree = parser.block()
    if parser.tokens[parser.at][0] != "end":
        raise SyntaxError(f"trailing {parser.tokens[parser.at:][:3]}")
    return tree
