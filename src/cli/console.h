// What every subcommand gets: the two streams, and how talkative it shall be.
#pragma once

#include "cli/output.h"

namespace CLI {
class App;
}

namespace sluice {

struct Console {
  Output out = Output::standard(1);  // results
  Output err = Output::standard(2);  // everything else
  bool quiet = false;
  bool verbose = false;
};

}  // namespace sluice
