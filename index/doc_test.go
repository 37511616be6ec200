package index_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docLink is a link to a name in a comment, such as [Index.Put].
var docLink = regexp.MustCompile(`\[\*?([A-Z]\w*(?:\.[A-Z]\w*)?)\]`)

// TestDocLinks: the names that the comments of this package and of the one above
// it link to are there.
func TestDocLinks(t *testing.T) {
	for _, dir := range []string{".", "../engine"} {
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		var files []*ast.File
		links := map[string]token.Position{}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
			for _, comment := range f.Comments {
				for _, link := range docLink.FindAllStringSubmatch(comment.Text(), -1) {
					links[link[1]] = set.Position(comment.Pos())
				}
			}
		}
		names := namesOf(t, set, files)
		for link, at := range links {
			if !names[link] {
				t.Errorf("%s: [%s] is not there", at, link)
			}
		}
		if len(links) < 10 {
			t.Errorf("%s: only %d names are linked to", dir, len(links))
		}
	}
}

// namesOf returns the exported names of a package: of what it declares, and of
// the methods and fields of its types.
func namesOf(t *testing.T, set *token.FileSet, files []*ast.File) map[string]bool {
	t.Helper()
	p, err := doc.NewFromFiles(set, files, "portolan")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	values := func(list []*doc.Value) {
		for _, v := range list {
			for _, name := range v.Names {
				names[name] = true
			}
		}
	}
	functions := func(of string, list []*doc.Func) {
		for _, f := range list {
			names[of+f.Name] = true
		}
	}
	values(p.Consts)
	values(p.Vars)
	functions("", p.Funcs)
	for _, typ := range p.Types {
		names[typ.Name] = true
		values(typ.Consts)
		values(typ.Vars)
		functions("", typ.Funcs)
		functions(typ.Name+".", typ.Methods)
		for _, spec := range typ.Decl.Specs {
			if s, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						names[typ.Name+"."+name.Name] = true
					}
				}
			}
		}
	}
	return names
}
