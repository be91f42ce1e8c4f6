#!/usr/bin/env bash
set -euo pipefail
text=${1//\\/\\\\} text=${text//\"/\\\"} # as JSON; enough for one line of words
vector=$(< vector.json)                  # from your embedding endpoint; here: esmm embed
body=$(< hybrid.json)                    # once: esmm upgrade query.json --placeholders
body=${body//'"<text_vector>"'/"$vector"}
body=${body//'"<query_text>"'/"\"$text\""} # the text last
shown="filter_path=hits.hits._id,hits.hits._score,hits.hits._source.title,hits.hits.matched_queries"
shown+="&include_named_queries_score=true"
curl -sS --fail-with-body "$ELASTICSEARCH_URL/$INDEX/_search?$shown" -H "Content-Type: application/json" -d "$body"
