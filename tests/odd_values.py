"""What people type by mistake, or have in their paths, for any option."""

ODD_VALUES = (
    *("", " ", "0", "1", "-1", "2", "0.5", "1.5", "1e-3", "1e400", "nan", "inf", "-inf", "999999999999", "1_000"),
    *(
        "007",
        "2024",
        "2026_01_15",
        "0x10",
        "1,5",
        "True",
        "false",
        "yes",
        "null",
        "None",
        "all",
        "x",
        "Gehirn ä",
        "名前",
    ),
    *("a b", "'2024'", '"x"', "it's", "a#b", "#1", "a::b", "@plan", "@nosuch", "a@b", "$HOME", "$x y", "~", "~/x"),
    *("~nosuchuser/x", "/dev/null", "/nowhere/scan.nii.gz", "../x", "C:\\data", "[1,2,3]", "(1,2,3)", "[8,8,8]", "1,2"),
    *("[]", "{}", "{a: 1}", "{a", "a,b", "[a,b]", "[[1],[2]]", "a\nb", "x" * 5000, "--", "b'1'", "lambda: 0"),
)
