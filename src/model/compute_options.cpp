#include "anemll/model/compute_options.hpp"

namespace anemll {

void add_device_option(OptionTable& table, DeviceChoice* device) {
  table.add_choice("device", device, "where to compute; auto: a GPU when this build and machine have one");
}

void add_threads_option(OptionTable& table, std::int64_t* threads) {
  table.add("threads", threads, "threads per rank; 0: the usable processors shared by the ranks of a host", 0,
            4096);
  table.mark_own("threads");  // hosts may have other numbers of processors
}

}  // namespace anemll
