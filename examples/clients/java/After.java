import co.elastic.clients.elasticsearch.ElasticsearchClient;
import co.elastic.clients.elasticsearch.core.SearchRequest;
import jakarta.json.Json;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

class After {
    public static void main(String[] args) throws Exception {
        var text = Json.createValue(args[0]).toString();
        var vector = Files.readString(Path.of("vector.json")); // from your embedding endpoint; here: esmm embed
        var hybrid = Files.readString(Path.of("hybrid.json")) // once: esmm upgrade query.json --placeholders
            .replace("\"<text_vector>\"", vector).replace("\"<query_text>\"", text); // the text last
        var request = SearchRequest.of(search -> search
            .index(System.getenv("INDEX"))
            .includeNamedQueriesScore(true)
            .withJson(new StringReader(hybrid)));
        try (var client = ElasticsearchClient.of(config -> config.host(System.getenv("ELASTICSEARCH_URL")))) {
            for (var hit : client.search(request, Map.class).hits().hits())
                System.out.println(hit.id() + " " + hit.score() + " " + hit.source().get("title"));
        }
    }
}
