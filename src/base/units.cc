#include "base/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>

#include "base/fail.h"

namespace sluice {

std::string format_bytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, digits, kUnits[unit]);
}

namespace {

// Suffix in lower case: "", "b", "k", "kb", "ki", "kib", ...
std::optional<uint64_t> unit_factor(std::string_view suffix) {
  if (suffix.ends_with('b')) suffix.remove_suffix(1);
  if (suffix.empty()) return 1;
  const size_t power = std::string_view("kmgt").find(suffix.front());
  suffix.remove_prefix(1);
  if (power == std::string_view::npos || !(suffix.empty() || suffix == "i")) return std::nullopt;
  const uint64_t step = suffix.empty() ? 1000 : 1024;
  uint64_t factor = step;
  for (size_t i = 0; i < power; ++i) factor *= step;
  return factor;
}

std::string lower_and_trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// Whole numbers are exact up to the limit; only a fraction goes through floating point.
std::optional<uint64_t> bytes_of(std::string_view number, uint64_t factor) {
  constexpr uint64_t kLimitBytes = uint64_t{1} << 63;
  const char* const end = number.data() + number.size();
  uint64_t whole = 0;
  const auto [point, whole_error] = std::from_chars(number.data(), end, whole);
  uint64_t bytes = 0;
  if (whole_error != std::errc() || __builtin_mul_overflow(whole, factor, &bytes) || bytes >= kLimitBytes) {
    return std::nullopt;
  }
  if (point != end) {
    double fraction = 0;
    const auto [stop, error] = std::from_chars(point, end, fraction);
    if (error != std::errc() || stop != end || factor == 1) return std::nullopt;  // there is no half byte
    bytes += static_cast<uint64_t>(std::llround(fraction * static_cast<double>(factor)));
  }
  if (bytes >= kLimitBytes) return std::nullopt;
  return bytes;
}

}  // namespace

Result<uint64_t> parse_bytes(std::string_view text) {
  const std::string lower = lower_and_trimmed(text);
  const std::string_view view = lower;
  const size_t number_end = std::min(view.find_first_not_of("0123456789."), view.size());
  const size_t suffix_begin = std::min(view.find_first_not_of(' ', number_end), view.size());
  const auto factor = unit_factor(view.substr(suffix_begin));
  const auto bytes = factor ? bytes_of(view.substr(0, number_end), *factor) : std::nullopt;
  if (bytes) return *bytes;
  return fail(ErrorCode::kInvalidArgument, "\"{}\" is not a size; write for example 512MiB, 8G or 1.5GB",
              text);
}

}  // namespace sluice
