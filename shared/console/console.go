// Package console is what people open in a browser: for now Swagger UI, from
// assets that are part of the program. No page loads anything from elsewhere.
package console

import (
	_ "embed"
	"net/http"

	"github.com/swaggest/swgui/v5emb"
)

var (
	//go:embed swagger-ui.html
	swaggerPage []byte
	//go:embed swagger-ui.js
	swaggerStart []byte
	//go:embed swagger-ui.css
	swaggerStyle []byte
)

// SwaggerPath is where Swagger UI is. The page names its files, and the
// contract beside it, by relative addresses: it works below any prefix that a
// proxy takes away.
const SwaggerPath = "/swagger-ui.html"

const swaggerFiles = "/swagger-ui/"

// swaggerPolicy lets the page run its own scripts and talk to its own server,
// and nothing else. Swagger UI draws its icons from data: addresses.
const swaggerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Pages is every page and every file that one loads, by its path as
// http.ServeMux writes it. They answer GET.
func Pages() map[string]http.Handler {
	pages := map[string]http.Handler{
		"/{$}":                     http.HandlerFunc(home),
		SwaggerPath:                swagger(),
		swaggerFiles + "start.js":  file("text/javascript; charset=utf-8", swaggerStart),
		swaggerFiles + "start.css": file("text/css; charset=utf-8", swaggerStyle),
	}
	library := revalidated(v5emb.New("Trade Monitor", "", swaggerFiles))
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js", "favicon-16x16.png", "favicon-32x32.png"} {
		pages[swaggerFiles+name] = library
	}
	return pages
}

// home sends whoever opens the bare address to the page that there is.
func home(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "."+SwaggerPath)
	w.WriteHeader(http.StatusFound)
}

func swagger() http.Handler {
	page := file("text/html; charset=utf-8", swaggerPage)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", swaggerPolicy)
		page.ServeHTTP(w, r)
	})
}

func file(media string, content []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		// A failure to write is the connection's end: there is nobody to tell.
		_, _ = w.Write(content)
	})
}

// revalidated lets a browser keep what has an ETag, as the library's files do:
// asked for again, they are a 304.
func revalidated(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		h.ServeHTTP(w, r)
	})
}
