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
	body := `{"query": {"bool": {
		"must": [{"multi_match": {"query": ` + string(text) + `,
			"fields": ["title^3", "brand^2", "category", "description"]}}],
		"filter": [{"range": {"stock": {"gt": 0}}}]}}, "size": 10}`
	client, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{os.Getenv("ELASTICSEARCH_URL")}})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := client.Search(client.Search.WithIndex(os.Getenv("INDEX")),
		client.Search.WithBody(strings.NewReader(body)))
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
