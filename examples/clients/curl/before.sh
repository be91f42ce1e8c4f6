#!/usr/bin/env bash
set -euo pipefail
text=${1//\\/\\\\} text=${text//\"/\\\"} # as JSON; enough for one line of words
body='{"query": {"bool": {
  "must": [{"multi_match": {"query": "'$text'", "fields": ["title^3", "brand^2", "category", "description"]}}],
  "filter": [{"range": {"stock": {"gt": 0}}}]}}, "size": 10}'
shown="filter_path=hits.hits._id,hits.hits._score,hits.hits._source.title"
curl -sS --fail-with-body "$ELASTICSEARCH_URL/$INDEX/_search?$shown" -H "Content-Type: application/json" -d "$body"
