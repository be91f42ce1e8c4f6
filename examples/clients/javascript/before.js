import { Client } from "@elastic/elasticsearch";

const text = process.argv[2];
const fields = ["title^3", "brand^2", "category", "description"];
const query = {
  bool: {
    must: [{ multi_match: { query: text, fields } }],
    filter: [{ range: { stock: { gt: 0 } } }],
  },
};
const client = new Client({ node: process.env.ELASTICSEARCH_URL });
const answer = await client.search({ index: process.env.INDEX, query, size: 10 });
for (const hit of answer.hits.hits) console.log(hit._id, hit._score, hit._source.title);
