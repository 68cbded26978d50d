#include "src/model/input_sums.hpp"

#include <memory>
#include <utility>

#include <ATen/TensorOperators.h>

namespace anemll {
namespace {

using Of = std::function<at::Tensor(const at::Tensor& x)>;

class Summed final : public Linear {
 public:
  Summed(std::unique_ptr<Linear> own, const Of& of) : own_(std::move(own)), of_(of) {}
  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor part = of_(x.reshape({-1, x.size(-1)})).to(at::kCPU, at::kDouble);
    sum_ = sum_.defined() ? sum_.add(part) : part;
    return own_->forward(x);
  }
  at::Tensor sum() const { return sum_; }
  std::unique_ptr<Linear> release() { return std::move(own_); }

 private:
  std::unique_ptr<Linear> own_;
  const Of& of_;
  at::Tensor sum_;
};

class Watch {
 public:
  Watch(Decoder& decoder, const Of& of) : decoder_(decoder) {
    for (Decoder::Slot& slot : decoder_.slots()) {
      auto summed = std::make_unique<Summed>(std::move(slot.linear), of);
      watched_.push_back(summed.get());
      slot.linear = std::move(summed);
    }
  }
  ~Watch() {
    for (std::size_t i = 0; i < watched_.size(); ++i) decoder_.slots()[i].linear = watched_[i]->release();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  std::vector<at::Tensor> sums() const {
    std::vector<at::Tensor> all;
    for (const Summed* linear : watched_) all.push_back(linear->sum());
    return all;
  }

 private:
  Decoder& decoder_;
  std::vector<Summed*> watched_;
};

}  // namespace

std::vector<at::Tensor> sums_of_inputs(Decoder& decoder, const Of& of, const std::function<void()>& pass) {
  const Watch watch(decoder, of);
  pass();
  return watch.sums();
}

}  // namespace anemll
