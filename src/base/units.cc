#include "base/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

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

// 0 when the suffix is unknown. Suffix in lower case, without spaces.
double unit_factor(std::string suffix) {
  if (!suffix.empty() && suffix.back() == 'b') suffix.pop_back();
  if (suffix.empty()) return 1;
  const size_t power = std::string_view("kmgt").find(suffix[0]);
  if (power == std::string_view::npos) return 0;
  const auto exponent = static_cast<double>(power + 1);
  if (suffix.size() == 1) return std::pow(1000.0, exponent);
  return suffix.substr(1) == "i" ? std::pow(1024.0, exponent) : 0;
}

}  // namespace

Result<uint64_t> parse_bytes(std::string_view text) {
  std::string compact;
  for (const char c : text) {
    if (c != ' ') compact += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const size_t digits = std::min(compact.find_first_not_of("0123456789."), compact.size());
  const double factor = unit_factor(compact.substr(digits));
  char* end = nullptr;
  const std::string number = compact.substr(0, digits);
  const double value = std::strtod(number.c_str(), &end) * factor;
  if (number.empty() || number.front() == '.' || *end != '\0' || factor == 0 || !(value < 0x1p63)) {
    return fail(ErrorCode::kInvalidArgument, "\"{}\" is not a size; write for example 512MiB, 8G or 1.5GB", text);
  }
  return static_cast<uint64_t>(value);
}

}  // namespace sluice
