from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.gotemplate import GoMap, NilList, NilMap, TemplateError, execute, parse
from wharfie.formats.gotemplate.functions import NAMES

DATA: dict[str, object] = {
    "A": {"B": "x", "L": [1, 2, 3]},
    "M": GoMap({"k": "v", "z": "y"}),
    "n": None,
    "b": True,
    "f": 1.5,
    "empty": NilList(),
    "none": NilMap(),
}


def render(source: str, data: object = DATA) -> str:
    return execute(parse(source, functions=NAMES), data)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("plain", "plain"),
        ("{{.A.B}}", "x"),
        ("{{json .A}}", '{"B":"x","L":[1,2,3]}'),
        ("{{range $i, $x := .A.L}}{{if $i}},{{end}}{{$x}}{{end}}", "1,2,3"),
        ("{{range $k, $v := .M}}{{$k}}={{$v}} {{end}}", "k=v z=y "),
        ("{{range .empty}}x{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ('{{index .M "k"}}|{{index .M "q"}}|{{.M.q}}', "v||<no value>"),
        ("{{index .A.L 1}}", "2"),
        ("{{.M}} {{.A.L}} {{.n}} {{.b}} {{.f}}", "map[k:v z:y] [1 2 3] <nil> true 1.5"),
        ("{{.empty}} {{.none}} {{json .empty}} {{json .none}}", "[] map[] null null"),
        ("{{len .A.L}}{{len .A.B}}", "31"),
        ('{{printf "%5d|%-5s|%q|%05d|%x|%v|%.2f" 3 "a" .A.B 7 255 true .f}}', None),
        ('{{printf "%d %s" "a"}}', "%!d(string=a) %!s(MISSING)"),
        ('{{if and .b (eq .A.B "x")}}yes{{else}}no{{end}}', "yes"),
        ('{{if eq .A.B "a" "x"}}in{{end}}', "in"),
        ("{{if not .n}}nil{{else if .b}}b{{end}}", "nil"),
        ("{{or .n .A.B}}{{and .A.B .n}}", "x<nil>"),
        ("{{with .A}}{{.B}}{{end}}{{with .n}}x{{else}}no{{end}}", "xno"),
        ("a {{- 1 -}} b", "a1b"),
        ("a {{- /* note */ -}} b", "ab"),
        ('{{join (split "a:b" ":") "/"}}', "a/b"),
        ('{{upper .A.B | printf "%s-%s" "q"}}', "q-X"),
        ("{{$x := 1}}{{$x = 2}}{{$x}}{{$.b}}", "2true"),
        ('{{slice "abc" 1 2}}', "b"),
        ("{{range .A.L}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{end}}", "23"),
        ("{{range .A.L}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}", "1"),
        ('{{define "t"}}[{{.}}]{{end}}{{template "t" .A.B}}', "[x]"),
        ('{{block "u" .b}}<{{.}}>{{end}}', "<true>"),
        ('{{println "a" 1}}', "a 1\n"),
        ('{{truncate "abcdef" 3}}{{pad "x" 1 2}}|{{title "ab cd"}}', "abc x  |Ab Cd"),
        ("{{`raw`}}{{'a'}}{{0x10}}", "raw9716"),
        ("{{lt 1 2}}{{le 2 2}}{{gt 1 2}}{{ge 1 2}}{{ne 1 2}}", "truetruefalsefalsetrue"),
        ('{{html "<a>"}} {{urlquery "a b/c"}}', "&lt;a&gt; a+b%2Fc"),
        ("{{(index .A.L 0)}}{{(.A).B}}", "1x"),
    ],
)  # fmt: skip
def test_templates_render_as_go_s_do(source: str, wanted: str | None) -> None:
    expected = '    3|a    |"x"|00007|ff|true|1.50' if wanted is None else wanted
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{foo}}", 'template: :1: function "foo" not defined'),
        ("{{.A", "template: :1: unclosed action"),
        ("{{}}", "template: :1: missing value for command"),
        ("\n{{end}}", "template: :2: unexpected {{end}}"),
        ("{{if .b}}x", "template: :1: unexpected EOF"),
        ("{{$x}}", 'template: :1: undefined variable "$x"'),
        ("{{/* x", "template: :1: unclosed comment"),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
    ],
)
def test_broken_templates_are_refused_in_go_s_words(source: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(source, functions=NAMES)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{.X}}", 'template: :1:2: executing "" at <.X>: map has no entry for key "X"'),
        ("{{.A.X}}", 'template: :1:4: executing "" at <.A.X>: map has no entry for key "X"'),
        (
            "{{.A.B.C}}",
            'template: :1:6: executing "" at <.A.B.C>: can\'t evaluate field C in type string',
        ),
        (
            '{{template "zz"}}',
            'template: :1:2: executing "" at <{{template "zz"}}>: template "zz" not defined',
        ),
        (
            "{{index .A.L 9}}",
            'template: :1:2: executing "" at <index>: error calling index: index out of range: 9',
        ),
    ],
)
def test_templates_that_do_not_fit_name_the_node(source: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(source)
    assert (
        str(caught.value).split(": executing")[-1] == message.rsplit(": executing", maxsplit=1)[-1]
    )


@pytest.mark.parametrize(
    "source",
    [
        '{{define "a"}}{{template "a"}}{{end}}{{template "a"}}',
        "{{range 9999999999}}{{range 9999999}}x{{end}}{{end}}",
        "(" * 5 + "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
        "{{if 1}}" * 3000,
        '{{pad "x" 99999999999 0}}',
        "{{range 300}}" * 90 + "{{end}}" * 90,
    ],
)
def test_hostile_templates_end_in_an_error(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source)


def test_what_was_rendered_before_an_error_is_kept() -> None:
    with pytest.raises(TemplateError) as caught:
        render("a{{.A.B}}{{.X}}")
    assert caught.value.partial == "ax"


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(source: str) -> None:
    try:
        render(source)
    except TemplateError:
        return


@given(
    st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                ".A",
                "$x",
                ":=",
                "|",
                "(",
                ")",
                " ",
                "if",
                "range",
                "end",
                '"s"',
                "1",
                "-",
            ]
        ),
        max_size=20,
    )
)
def test_any_mix_of_tokens_is_parsed_or_refused(parts: list[str]) -> None:
    try:
        render("".join(parts))
    except TemplateError:
        return
