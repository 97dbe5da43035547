#include "server/access.h"

#include <algorithm>

namespace sluice {
namespace {

// "[::1]:8080" -> "::1", "localhost:80" -> "localhost".
std::string_view without_port(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

// The key that a request brings: Authorization: Bearer KEY, or x-api-key: KEY.
std::string_view key_of(const HttpRequest& request) {
  constexpr std::string_view kBearer = "Bearer ";
  if (const std::string* header = request.header("authorization");
      header != nullptr && header->starts_with(kBearer)) {
    return std::string_view(*header).substr(kBearer.size());
  }
  const std::string* header = request.header("x-api-key");
  return header == nullptr ? std::string_view() : *header;
}

bool same_origin(const HttpRequest& request, const std::string& origin) {
  const std::string* host = request.header("host");
  return host != nullptr && origin == "http://" + *host;
}

}  // namespace

bool equal_in_constant_time(std::string_view one, std::string_view other) {
  if (one.size() != other.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (one[i] ^ other[i]));
  }
  return difference == 0;
}

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::optional<std::string> allowed_origin(const AccessRules& rules, const HttpRequest& request) {
  const std::string* origin = request.header("origin");
  if (origin == nullptr || rules.cors_origin.empty()) return std::nullopt;
  if (rules.cors_origin != "*" && rules.cors_origin != *origin) return std::nullopt;
  return rules.cors_origin;
}

std::optional<Refusal> check_access(const AccessRules& rules, const HttpRequest& request) {
  const std::string* host = request.header("host");
  if (rules.loopback && host != nullptr && !is_loopback_host(without_port(*host))) {
    return Refusal{403, "This server listens on this machine only and is not called \"" + *host + "\"."};
  }
  const std::string* origin = request.header("origin");
  if (origin != nullptr && !same_origin(request, *origin) && !allowed_origin(rules, request)) {
    return Refusal{403, "Pages of " + *origin + " may not use this server; sluice serve --cors " + *origin +
                            " would let them."};
  }
  const bool is_page = request.path == "/" || request.path.starts_with("/dashboard/");  // it asks for the key
  const bool open_to_all = is_page || request.path == "/health" || request.method == "OPTIONS";
  if (open_to_all || rules.api_key.empty() || equal_in_constant_time(key_of(request), rules.api_key)) {
    return std::nullopt;
  }
  return Refusal{
      401,
      "The API key is missing or wrong. Send it as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"."};
}

}  // namespace sluice
