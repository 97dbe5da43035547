#include "server/web_page.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

HttpResponse get(const std::string& path, std::vector<HttpHeader> headers = {}) {
  return web_answer({.method = "GET", .path = path, .headers = std::move(headers)});
}

std::string header(const HttpResponse& answer, std::string_view name) {
  for (const HttpHeader& each : answer.headers) {
    if (each.name == name) return each.value;
  }
  return "";
}

TEST(WebPage, LoadsFromThisServerOnly) {
  const HttpResponse page = get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_NE(page.body.find("<title>Sluice</title>"), std::string::npos);
  EXPECT_EQ(page.body.find("https://"), std::string::npos);
  EXPECT_TRUE(header(page, "Content-Security-Policy").starts_with("default-src 'none'; script-src 'self';"));
}

TEST(WebPage, IsSentOnceAsLongAsItStaysTheSame) {
  const std::string etag = header(get("/"), "ETag");
  EXPECT_EQ(etag.size(), 18u);
  const HttpResponse known = get("/", {{"if-none-match", "\"other\", W/" + etag}});
  EXPECT_EQ(known.status, 304);
  EXPECT_EQ(known.body, "");
  EXPECT_EQ(get("/", {{"if-none-match", "\"other\""}}).status, 200);
}

TEST(WebPage, HasTheFilesOfItsTableAndNoOthers) {
  for (const WebFile& file : web_files()) {
    EXPECT_EQ(get("/dashboard/" + std::string(file.name)).body, file.bytes);
  }
  for (const char* path :
       {"/dashboard/", "/dashboard/../index.html", "/dashboard//etc/passwd", "/dashboard/index.html/",
        "/dashboard/%2e%2e/README.md", "/dashboard/INDEX.HTML", ""}) {
    EXPECT_EQ(get(path).status, 404) << path;
  }
}

}  // namespace
}  // namespace sluice
