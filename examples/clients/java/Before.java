import co.elastic.clients.elasticsearch.ElasticsearchClient;
import co.elastic.clients.elasticsearch.core.SearchRequest;
import java.util.Map;

class Before {
    public static void main(String[] args) throws Exception {
        var text = args[0];
        var request = SearchRequest.of(search -> search
            .index(System.getenv("INDEX"))
            .query(query -> query.bool(bool -> bool
                .must(must -> must.multiMatch(match -> match
                    .query(text).fields("title^3", "brand^2", "category", "description")))
                .filter(filter -> filter.range(range -> range.number(number -> number.field("stock").gt(0.0))))))
            .size(10));
        try (var client = ElasticsearchClient.of(config -> config.host(System.getenv("ELASTICSEARCH_URL")))) {
            for (var hit : client.search(request, Map.class).hits().hits())
                System.out.println(hit.id() + " " + hit.score() + " " + hit.source().get("title"));
        }
    }
}
