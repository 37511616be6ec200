.PHONY: build test race lint golden ci mutants

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

mutants: ## Change the code in small ways; the tests must fail. Takes an hour.
	go run ./.ci/mutants engine index
