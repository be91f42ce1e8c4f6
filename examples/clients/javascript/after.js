import { readFileSync } from "node:fs";
import { Client } from "@elastic/elasticsearch";

const text = process.argv[2];
const vector = readFileSync("vector.json", "utf8"); // from your embedding endpoint; here: esmm embed
const hybrid = readFileSync("hybrid.json", "utf8") // once: esmm upgrade query.json --placeholders
  .replaceAll('"<text_vector>"', () => vector)
  .replaceAll('"<query_text>"', () => JSON.stringify(text)); // the text last
const body = { ...JSON.parse(hybrid), include_named_queries_score: true };
const client = new Client({ node: process.env.ELASTICSEARCH_URL });
const answer = await client.search({ index: process.env.INDEX, ...body });
for (const hit of answer.hits.hits) console.log(hit._id, hit._score, hit._source.title);
