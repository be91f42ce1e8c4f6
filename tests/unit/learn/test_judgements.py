"""Judgements in each format that shops have; whatever is wrong with them is told at once, with its place."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from esmm.errors import LearnError
from esmm.learn.judgements import SHOWN_FAULTS, Judgements, Question, read_judgements

Write = Callable[..., Path]
SHOE, LAMP = Question("red shoe"), Question("lamp")
GAINS = {SHOE: {"1": 1.0, "2": 0.5}, LAMP: {"7": 0.0}}
QUEPID = {"queries": [{"query": "red shoe", "ratings": {"1": 1, "2": 0.5}}, {"query": "lamp", "ratings": {"7": 0}}]}


def rated(_id: str, rating: float) -> dict[str, object]:
    return {"_index": "shop", "_id": _id, "rating": rating}


RANK_EVAL = {
    "requests": [
        {
            "id": "shoes",
            "request": {"query": {"multi_match": {"query": "red shoe", "fields": ["title"]}}},
            "ratings": [rated("1", 1), rated("2", 0.5)],
        },
        {"id": "lamp", "template_id": "t", "params": {}, "ratings": [rated("7", 0)]},
    ],
    "metric": {"precision": {"k": 10}},
}
SPELLINGS = {
    "a.tsv": "query\tproduct_id\tgain\nred shoe\t1\t1.0\nred  shoe\t2\t.5\nlamp\t7\t0\n",
    "a.csv": "gain,query,product_id\n1,red shoe,1\n0.5,red shoe,2\n0,lamp,7\n",
    "semicolons.csv": "Query;Doc ID;Grade\nred shoe;1;1\nred shoe;2;0.5\nlamp;7;0\n",
    "bom.txt": "\ufeffq,sku,Relevance\nred shoe,1,1\nred shoe,2,0.5\nlamp,7,0\n",
    "twice.csv": "query,docid,label\nred shoe,1,1\nred shoe,1,1.0\nred shoe,2,.5\nlamp,7,0\n",
    "a.jsonl": '{"query":"red shoe","doc_id":1,"rating":1}\n{"query":"red shoe","doc_id":"2","rating":0.5}\n'
    '\n{"query":"lamp","doc_id":7,"rating":"0"}\n',
    "list.json": json.dumps([["red shoe", "1", 1], ["red shoe", "2", 0.5], ["lamp", "7", 0]]),
    "qrels.tsv": "red shoe\t0\t1\t1\nred shoe\t0\t2\t0.5\nlamp\t0\t7\t0\n",
    "quepid.csv": "query,docid,rating\nred shoe,1,1\nred shoe,2,0.5\nred shoe,3,\nunrated\nlamp,7,0\n",
    "quepid.json": json.dumps(QUEPID, indent=2),
    "one-line.json": json.dumps(QUEPID),
    "rank_eval.json": json.dumps(RANK_EVAL, indent=2),
}
SPELLINGS["list.json"] = json.dumps(
    [{"query": query, "id": product, "score": gain} for query, product, gain in json.loads(SPELLINGS["list.json"])]
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return make


def faults(path: Path, **options: str) -> list[str]:
    """Return the lines of the error that a file gives."""
    with pytest.raises(LearnError) as caught:
        read_judgements(path, **options)
    assert caught.value.hint
    return caught.value.message.replace(str(path.parent) + os.sep, "").split("\n")


@pytest.mark.parametrize("name", SPELLINGS)
def test_each_format_says_the_same(write: Write, name: str) -> None:
    path = write(name, SPELLINGS[name])
    found = read_judgements(path)
    assert found.gains == GAINS
    assert found.source.startswith(str(path))
    assert found.digest == Judgements(GAINS, "elsewhere").digest
    packed = path.with_name(name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_judgements(packed).gains == GAINS


def test_the_digest_is_of_the_content_alone() -> None:
    turned = {LAMP: {"7": 0.0}, SHOE: {"2": 0.5, "1": 1.0}}
    assert Judgements(turned, "b").digest == Judgements(GAINS, "a").digest
    assert len(Judgements(GAINS, "a").digest) == 12
    assert Judgements({**GAINS, LAMP: {"7": 0.1}}, "a").digest != Judgements(GAINS, "a").digest


def test_a_format_may_be_named(write: Write) -> None:
    text = "a 0 p first\nb 0 p 1\n"  # the first line alone looks like a header
    assert "no header row" not in faults(write("x.txt", text), format="trec")[0]
    assert faults(write("x.txt", text), format="trec") == [
        "x.txt has 1 fault:",
        "  line 1: the gain 'first' is no number",
    ]
    assert "no format 'xls'" in faults(write("x.txt", text), format="xls")[0]


def test_topics_of_trec(write: Write) -> None:
    qrels = write("qrels.txt", "301 0 p1 2\n301 0 p2 0\n302 Q0 p1 1\n")
    plain = read_judgements(qrels)
    assert set(plain.gains) == {Question("301"), Question("302")}
    assert "topic ids are taken as the queries' words" in plain.source
    topics = write("topics.tsv", "301\tred  shoe\n302\tlamp\n")
    named = read_judgements(qrels, topics=topics)
    assert named.gains == {SHOE: {"p1": 2.0, "p2": 0.0}, LAMP: {"p1": 1.0}}
    assert "topic ids" not in named.source
    short = write("short.tsv", "301\tred shoe\n")
    with pytest.raises(LearnError, match="line 3: the topics do not name 302"):
        read_judgements(qrels, topics=short)
    with pytest.raises(LearnError, match="names no topic"):
        read_judgements(qrels, topics=write("none.tsv", "301 red shoe\n"))


def test_photos(write: Write) -> None:
    found = read_judgements(write("p.csv", "photo,product_id,gain\na.jpg,1,1\na.jpg,2,0\n"))
    assert found.gains == {Question(photo="a.jpg"): {"1": 1.0, "2": 0.0}}
    assert found.by_name == {"photo:a.jpg": {"1": 1.0, "2": 0.0}}
    mixed = read_judgements(write("m.tsv", "query\tphoto\tsku\tgrade\nlamp\t\t1\t1\n\ta.jpg\t1\t2\nred\ta.jpg\t1\t3\n"))
    assert mixed.by_name == {"lamp": {"1": 1.0}, "photo:a.jpg": {"1": 2.0}, "red + photo:a.jpg": {"1": 3.0}}


def test_all_faults_at_once(write: Write) -> None:
    rows = (
        "lamp,1,1", " ,1,1", "lamp,,2", "lamp,2,nan", "lamp,3,inf", "lamp,4,-1", "lamp,5,good", "lamp,6,", "lamp,1,0.5",
        "lamp,1,1", "lamp,1", ",,x", "photo:a.jpg,1,1",
    )  # fmt: skip
    assert faults(write("bad.csv", "\n".join(["query,product_id,gain", *rows]))) == [
        "bad.csv has 11 faults:",
        "  line 3: the query is blank",
        "  line 4: the product id is blank",
        "  line 5: the gain nan is not finite",
        "  line 6: the gain inf is not finite",
        "  line 7: the gain -1 is negative",
        "  line 8: the gain 'good' is no number",
        "  line 9: the gain is missing",
        "  line 10: 1 has gain 0.5 here and 1 in line 2",
        "  line 12: 2 cells where the header names 3",
        "  line 13: the gain 'x' is no number; the product id is blank",
        "  line 14: the query is a photo: give it in a column named photo",
    ]


def test_faults_of_json(write: Write) -> None:
    lines = (
        '{"query": ["lamp"], "product_id": 1, "gain": 1}', '{"query": "lamp", "product_id": true, "gain": [1]}', "{",
        '{"query": "lamp", "gain": 1}', '{"query": "lamp", "product_id": 1, "gain": true}',
        '{"query": "lamp", "product_id": 1, "gain": ' + "9" * 400 + "}",
    )  # fmt: skip
    found = faults(write("bad.jsonl", "\n".join(lines)))
    assert found[:3] == [
        "bad.jsonl has 6 faults:",
        "  line 1: the query is no text",
        "  line 2: the product id is no text; the gain '[1]' is no number",
    ]
    assert found[3].startswith("  line 3: not JSON")
    assert found[4:6] == ["  line 4: the product id is blank", "  line 5: the gain 'True' is no number"]
    assert found[6].startswith("  line 6: ")
    requests = [
        "no request", {"id": "a", "ratings": 3}, {"id": " ", "ratings": [rated("1", 1)]},
        {"id": "a", "ratings": ["x", rated("1", float("nan")), {"rating": 1}]},
        {"id": "a", "request": {"query": {"match": {"t": "x"}, "term": {}}}, "ratings": []},
        {"id": "a", "request": {"query": {"bool": {"should": [{"match": {"t": w}} for w in "ab"]}}}, "ratings": []},
    ]  # fmt: skip
    found = faults(write("r.json", json.dumps({"requests": requests[1:]})))
    assert found[:6] == [
        "r.json has 7 faults:",
        "  requests[0]: ratings is no list",
        "  requests[1].ratings[0]: the query is blank",
        "  requests[2].ratings[0]: no object",
        "  requests[2].ratings[1]: the gain nan is not finite",
        "  requests[2].ratings[2]: the product id is blank",
    ]
    assert found[6].startswith("  requests[3]: request.query must be")
    assert found[7].startswith("  requests[4]: the query asks for 2 different texts ('a', 'b')")
    assert "no list of objects named requests" in faults(write("r.json", json.dumps({"requests": requests})))[0]
    unrated = write("q.json", '{"queries": [{"query": "lamp", "ratings": []}]}')
    assert faults(unrated)[1] == "  queries[0]: ratings is no object of ratings by product"


def test_a_long_list_of_faults_is_cut(write: Write) -> None:
    found = faults(write("bad.tsv", "query\tid\tgain\n" + "lamp\t1\tx\n" * 33))
    assert found[0] == "bad.tsv has 33 faults:"
    assert found[-1] == "  and 13 more"
    assert len(found) == SHOWN_FAULTS + 2


def test_missing_columns_are_told_once(write: Write) -> None:
    found = faults(write("bad.csv", "query_id,product,points\n1,2,3\n4,5\n"))
    assert found[0] == "bad.csv has 2 faults:"
    assert found[1].startswith(
        "  header: no column for the query or photo and the gain, only query_id, product, points:"
    )
    assert found[2] == "  line 3: 2 cells where the header names 3"
    assert "no header row" in faults(write("bad.csv", "red shoe,17,1\n"))[0]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("empty.tsv", " \n", "is empty"),
        ("head.tsv", "query\tproduct_id\tgain\n", "holds no product"),
        ("none.csv", "query,docid,rating\nlamp,1,\n", "holds no judgement"),
        ("open.json", '{"queries": [\n{"query": "a"\n', "no valid JSON at line 3"),
        ("other.json", '{\n"hits": []}', "neither a _rank_eval request nor an export of Quepid"),
        ("deep.json", '{"requests":\n' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_files_that_are_none(write: Write, name: str, text: str, told: str) -> None:
    assert told in faults(write(name, text))[0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "does not exist" in faults(tmp_path / "no.tsv")[0]
    assert "cannot be read" in faults(tmp_path)[0]
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress(b"query\tid\tgain\n" * 99)[:-20])
    assert "damaged" in faults(tmp_path / "cut.tsv.gz")[0]
    (tmp_path / "latin.csv").write_bytes("query,id,gain\nschürze,1,1\nlamp,1,x\n".encode("latin-1"))
    assert faults(tmp_path / "latin.csv")[1:] == ["  line 2: not UTF-8", "  line 3: the gain 'x' is no number"]


def test_real_judgements() -> None:
    folder = Path(os.environ.get("ESMM_BENCH_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}")
    found = read_judgements(folder / "esci" / "judgements.tsv")
    assert (len(found.gains), sum(map(len, found.gains.values()))) == (100, 4466)
    photos = read_judgements(folder / "fashion" / "photo_judgements.tsv")
    assert all(question.photo and question.text is None for question in photos.gains)
