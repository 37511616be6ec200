.PHONY: build test race lint golden ci

build: ## The one binary, ./portolan.
	go build ./cmd/portolan

test:
	go test ./...

race:
	go test -race ./...

lint:
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

golden: ## Write the command line's expected output anew; read the diff.
	go test ./cmd/portolan -update

ci: ## What a change must pass.
	bash .ci/run
