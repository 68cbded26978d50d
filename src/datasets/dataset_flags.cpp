#include "anemll/datasets/dataset_flags.hpp"

namespace anemll {

DatasetOptions DatasetFlags::reading() const {
  DatasetOptions reading;
  reading.format = format;
  reading.text_field = text_field;
  reading.config = config;
  reading.split = split;
  return reading;
}

std::vector<const char*> dataset_details_and(std::initializer_list<const char*> more) {
  std::vector<const char*> names{"dataset_format", "dataset_text_field", "dataset_config_name",
                                 "dataset_split", "dataset_revision"};
  names.insert(names.end(), more);
  return names;
}

void add_dataset_options(OptionTable& table, DatasetFlags& flags) {
  table.add("dataset_name", &flags.name,
            "file, folder, glob, or org/name on the hub: .json, .jsonl, .csv, .tsv, .txt (.gz, .zst, .bz2, "
            ".xz), .parquet, .arrow; several as NAME[=FORMAT][:SHARE] with commas between them: "
            "A:0.7,B=alpaca_chat:0.3");
  table.mark_path("dataset_name");  // of a mixture the first
  table.add_choice("dataset_format", &flags.format,
                   "how records become documents, where a data set names no format");
  table.add("dataset_text_field", &flags.text_field, "field of plain records that holds the text");
  table.add("dataset_config_name", &flags.config,
            "configuration of the dataset, as its card or a sub-folder names it");
  table.add("dataset_split", &flags.split, "split of the dataset");
  table.add("dataset_revision", &flags.revision, "branch, tag or commit of the dataset on the hub");
}

}  // namespace anemll
