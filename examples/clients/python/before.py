import os
import sys

from elasticsearch import Elasticsearch

text = sys.argv[1]
fields = ["title^3", "brand^2", "category", "description"]
query = {
    "bool": {
        "must": [{"multi_match": {"query": text, "fields": fields}}],
        "filter": [{"range": {"stock": {"gt": 0}}}],
    }
}
with Elasticsearch(os.environ["ELASTICSEARCH_URL"]) as client:
    answer = client.search(index=os.environ["INDEX"], query=query, size=10)
for hit in answer["hits"]["hits"]:
    print(hit["_id"], hit["_score"], hit["_source"]["title"])
