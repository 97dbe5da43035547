// Sizes as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/result.h"

namespace sluice {

// "3.45 GB", "817 KB", "12 B": decimal units, three significant digits, as disks and the design count.
std::string format_bytes(uint64_t bytes);

// "512", "64M", "64MB", "1.5GiB", "2 GB": K/M/G/T are decimal, Ki/Mi/Gi/Ti binary; case does not matter. A
// fraction is rounded to the nearest byte. kInvalidArgument, quoting the text, for anything else: no unit for
// a fraction, a sign, an exponent, spaces within the number, 2^63 bytes or more.
Result<uint64_t> parse_bytes(std::string_view text);

}  // namespace sluice
