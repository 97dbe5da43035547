// The dashboard's files, inside the program.
#pragma once

#include <span>
#include <string_view>

#include "server/http_message.h"

namespace sluice {

struct WebFile {
  std::string_view name;   // "index.html"
  std::string_view bytes;  // of static storage
  std::string_view etag;   // with its quotes; changes with the bytes
};

// What ./dev built into build/web, or, when that was not there at build time, one plain page. Written by
// cmake/EmbedFiles.cmake.
std::span<const WebFile> web_files();

// The answer to a GET of "/" or "/dashboard/<name>": the file, 304 when the client has it, 404 when there is
// no such name. Files may load what comes from this server, and nothing else.
HttpResponse web_answer(const HttpRequest& request);

}  // namespace sluice
