module example

go 1.25

require github.com/elastic/go-elasticsearch/v9 v9.4.2
