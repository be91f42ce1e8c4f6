package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/elastic/go-elasticsearch/v9"
)

func main() {
	text, _ := json.Marshal(os.Args[1])
	vector := file("vector.json") // from your embedding endpoint; here: esmm embed
	body := file("hybrid.json")   // once: esmm upgrade query.json --placeholders
	body = strings.ReplaceAll(body, `"<text_vector>"`, vector)
	body = strings.ReplaceAll(body, `"<query_text>"`, string(text)) // the text last
	client, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{os.Getenv("ELASTICSEARCH_URL")}})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := client.Search(client.Search.WithIndex(os.Getenv("INDEX")),
		client.Search.WithBody(strings.NewReader(body)), client.Search.WithIncludeNamedQueriesScore(true))
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.IsError() {
		log.Fatal(answer)
	}
	var found struct {
		Hits struct {
			Hits []struct {
				ID     string                 `json:"_id"`
				Score  float64                `json:"_score"`
				Source struct{ Title string } `json:"_source"`
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil {
		log.Fatal(err)
	}
	for _, hit := range found.Hits.Hits {
		fmt.Println(hit.ID, hit.Score, hit.Source.Title)
	}
}

func file(name string) string {
	content, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	return string(content)
}
