package engine_test

import (
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest"
)

func open(t *testing.T) enginetest.Open {
	return func(opts *engine.Options) enginetest.Engine {
		e, err := engine.Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}

func TestConformance(t *testing.T) { enginetest.Run(t, open(t)) }

func TestModel(t *testing.T) { enginetest.Model(t, open(t)) }
