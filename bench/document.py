"""Tables between their marks in a document."""

import re


def put(document, name, found):
    """Replaces what stands between `<!-- name -->` and `<!-- end -->`."""
    text = document.read_text()
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert marks.search(text), f"{document} has no mark for {name}"
    document.write_text(marks.sub(lambda m: m[1] + found + "\n" + m[2], text))
    print(f"{name}: done", flush=True)
