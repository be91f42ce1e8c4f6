import json
import os
import sys
from pathlib import Path

from elasticsearch import Elasticsearch

text = sys.argv[1]
vector = Path("vector.json").read_text(encoding="utf-8")  # from your embedding endpoint; here: esmm embed
hybrid = Path("hybrid.json").read_text(encoding="utf-8")  # once: esmm upgrade query.json --placeholders
hybrid = hybrid.replace('"<text_vector>"', vector).replace('"<query_text>"', json.dumps(text))  # the text last
with Elasticsearch(os.environ["ELASTICSEARCH_URL"]) as client:
    answer = client.search(index=os.environ["INDEX"], body=json.loads(hybrid), include_named_queries_score=True)
for hit in answer["hits"]["hits"]:
    print(hit["_id"], hit["_score"], hit["_source"]["title"])
