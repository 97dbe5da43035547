// For tests, and for whoever chooses a reader: the stores with slots, upon any reader.
#pragma once

#include <memory>

#include "experts/open_store.h"
#include "storage/reader.h"

namespace sluice {

// As open_expert_store, but reads with `reader`, whose file numbers are the catalog's; options.reader,
// read_threads and on_reader say nothing then. Extents are not checked against files: a read past an end
// fails when it is made. kInvalidArgument for kMmap, which has no reader.
Result<std::unique_ptr<ExpertStore>> open_expert_store_on_reader(const ExpertStoreOptions& options,
                                                                 ExpertCatalog catalog,
                                                                 std::unique_ptr<Reader> reader);

}  // namespace sluice
