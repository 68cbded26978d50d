#include "src/solve/solve.hpp"

namespace anemll {

MomentsNeeded moments_needed(StartMethod method) {
  switch (method) {
    case StartMethod::svd:
    case StartMethod::als:
      return MomentsNeeded::none;
    case StartMethod::als_act:
      return MomentsNeeded::diagonal;
    case StartMethod::gptq:
    case StartMethod::cd:
      return MomentsNeeded::full;
  }
  throw_no_choice();
}

}  // namespace anemll
