#include "sluice/streaming.h"

namespace sluice {

const char* stream_mode_name(StreamMode mode) {
  switch (mode) {
    case StreamMode::kResident:
      return "resident";
    case StreamMode::kMmap:
      return "mmap";
    case StreamMode::kDirect:
      return "direct";
  }
  return "unknown";
}

}  // namespace sluice
