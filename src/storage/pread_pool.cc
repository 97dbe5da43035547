#include "storage/pread_pool.h"

#include <functional>
#include <utility>

namespace sluice {

PreadPool::PreadPool(std::shared_ptr<const FileSet> files, size_t threads)
    : files_(std::move(files)), threads_(threads) {}

void PreadPool::submit(std::vector<ReadOp> ops) {
  std::vector<std::function<void()>> tasks;
  tasks.reserve(ops.size());
  for (ReadOp& op : ops) {
    tasks.emplace_back([this, op = std::move(op)] {
      op.done(files_->read(op.file, op.offset_bytes, op.into, op.needed_bytes));
    });
  }
  threads_.post(std::move(tasks));
}

}  // namespace sluice
