// Which model folder is meant.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sluice/result.h"

namespace sluice {

// Where the program looks, in this order.
struct ModelPlaces {
  std::string option;                            // -m; empty: not given
  std::string environment;                       // $SLUICE_MODEL; empty: not set
  std::vector<std::filesystem::path> installed;  // where models/tiny-v4 may lie
};

// The places of this process: `option` from the command line, the environment, and tiny-v4 beside the
// program's installation, its build folder or its source.
ModelPlaces places_of_this_process(const std::string& option);

// The folder that was named, whether it exists or not, or the first installed one that does. kNotFound, with
// all the places and what to do, when none was named and none is there.
Result<std::filesystem::path> find_model(const ModelPlaces& places);

}  // namespace sluice
