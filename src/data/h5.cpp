// See h5.hpp. The C calls are checked one by one: HDF5 reports failure by negative values only.
#include "src/data/h5.hpp"

#include "anemll/core/error.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/system_error.hpp"
#include "src/data/internal/h5_calls.hpp"

#include <algorithm>
#include <limits>
#include <string_view>
#include <system_error>

namespace anemll::h5 {
namespace {

constexpr int kMaxRank = 8;
constexpr std::size_t kMaxTextBytes = std::size_t{1} << 24;

// Selects rows [first, first + count) of a dataset of this shape; returns file space and memory space.
std::pair<Handle, Handle> select_rows(hid_t dataset, const std::vector<std::int64_t>& shape,
                                      std::int64_t first, std::int64_t count, const std::string& where) {
  if (first < 0 || count < 0 || first + count > shape.front()) {
    throw_data("rows " + std::to_string(first) + " to " + std::to_string(first + count) + " asked for, " +
                   std::to_string(shape.front()) + " there",
               where, "the index and the shard do not match: anemll_cache verify tells more");
  }
  hsize_t start[kMaxRank] = {};
  hsize_t extent[kMaxRank] = {};
  start[0] = static_cast<hsize_t>(first);
  extent[0] = static_cast<hsize_t>(count);
  for (std::size_t i = 1; i < shape.size(); ++i) extent[i] = static_cast<hsize_t>(shape[i]);
  Handle file = own(H5Dget_space(dataset), H5Sclose, "cannot get the data space", where);
  check(H5Sselect_hyperslab(file.get(), H5S_SELECT_SET, start, nullptr, extent, nullptr),
        "cannot select rows", where);
  Handle memory = own(H5Screate_simple(static_cast<int>(shape.size()), extent, nullptr), H5Sclose,
                      "cannot make a data space", where);
  return {std::move(file), std::move(memory)};
}

Handle text_type(const std::string& where) {
  Handle type = own(H5Tcopy(H5T_C_S1), H5Tclose, "cannot make a text type", where);
  check(H5Tset_size(type.get(), H5T_VARIABLE), "cannot make a text type", where);
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "cannot make a text type", where);
  return type;
}

void write_attribute(hid_t object, const std::string& name, hid_t file_type, hid_t memory_type,
                     const void* value, const std::string& where) {
  const std::string action = "cannot write attribute " + name;
  const Handle space = own(H5Screate(H5S_SCALAR), H5Sclose, action, where);
  const Handle attribute =
      own(H5Acreate2(object, name.c_str(), file_type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
          action, where);
  check(H5Awrite(attribute.get(), memory_type, value), action, where);
}

void write_text(hid_t object, const std::string& name, std::string_view text, const std::string& where) {
  const Handle type = text_type(where);
  const std::string terminated(text);
  const char* pointer = terminated.c_str();
  write_attribute(object, name, type.get(), type.get(), static_cast<const void*>(&pointer), where);
}

std::string read_text(hid_t object, const std::string& name, const std::string& where) {
  const std::string action = "cannot read attribute " + name;
  const Handle attribute = own(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, action, where);
  const Handle type = own(H5Aget_type(attribute.get()), H5Tclose, action, where);
  const Handle space = own(H5Aget_space(attribute.get()), H5Sclose, action, where);
  if (H5Tget_class(type.get()) != H5T_STRING || H5Sget_simple_extent_npoints(space.get()) != 1) {
    throw_data("attribute " + name + " is not one text", where,
               "make the cache again with anemll_precompute or anemll_cache import");
  }
  if (H5Tis_variable_str(type.get()) > 0) {
    char* pointer = nullptr;
    check(H5Aread(attribute.get(), type.get(), static_cast<void*>(&pointer)), action, where);
    std::string text = pointer != nullptr ? pointer : "";
    H5free_memory(pointer);
    return text;
  }
  const std::size_t size = H5Tget_size(type.get());
  if (size > kMaxTextBytes)
    throw_data("attribute " + name + " is too long", where,
               "keep it under 16 MiB, or make the cache again with anemll_precompute");
  std::string text(size, '\0');
  check(H5Aread(attribute.get(), type.get(), text.data()), action, where);
  text.resize(std::min(text.size(), text.find('\0')));
  return text;
}

bool attribute_exists(hid_t object, const std::string& name, const std::string& where) {
  const htri_t there = H5Aexists(object, name.c_str());
  if (there < 0) fail("cannot look for attribute " + name, where);
  return there > 0;
}

}  // namespace

std::string Dataset::describe() const {
  std::string text(type_ ? name_of(*type_) : "another type");
  text += '[';
  for (std::size_t i = 0; i < shape_.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape_[i]);
  return text + ']';
}

void Dataset::read_rows(std::int64_t first, std::int64_t count, std::byte* out) const {
  quiet();
  const auto [file, memory] = select_rows(handle_.get(), shape_, first, count, where_);
  const Handle type = make_type(type_, true, where_);
  check(H5Dread(handle_.get(), type.get(), memory.get(), file.get(), H5P_DEFAULT, out),
        "cannot read rows " + std::to_string(first) + " to " + std::to_string(first + count), where_);
}

void Dataset::write_rows(std::int64_t first, std::int64_t count, const std::byte* in) {
  quiet();
  const auto [file, memory] = select_rows(handle_.get(), shape_, first, count, where_);
  const Handle type = make_type(type_, true, where_);
  check(H5Dwrite(handle_.get(), type.get(), memory.get(), file.get(), H5P_DEFAULT, in), "cannot write",
        where_);
}

void Dataset::set_text(const std::string& attribute, std::string_view text) {
  quiet();
  write_text(handle_.get(), attribute, text, where_);
}

std::string Dataset::text(const std::string& attribute) const {
  quiet();
  return attribute_exists(handle_.get(), attribute, where_) ? read_text(handle_.get(), attribute, where_)
                                                            : "";
}

File File::open(const std::filesystem::path& path) {
  quiet();
  const std::string where = path.string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    if (error) throw_system("cannot be reached", path, error);
    throw_data("does not exist", where,
               "restore the file, or make it again with anemll_precompute or anemll_cache import");
  }
  require_content(path, content_kind(path), {ContentKind::hdf5}, "a KD cache in HDF5");
  const Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "cannot prepare", where);
  check(H5Pset_file_locking(access.get(), false, true), "cannot turn file locks off", where);
  check(H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG), "cannot prepare", where);
  File file;
  file.path_ = path;
  file.handle_ = own(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose, "cannot open", where);
  return file;
}

File File::create(const std::filesystem::path& path) {
  quiet();
  const std::string where = path.string();
  const Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "cannot prepare", where);
  check(H5Pset_file_locking(access.get(), false, true), "cannot turn file locks off", where);
  check(H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG), "cannot prepare", where);
  check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_EARLIEST, H5F_LIBVER_V18), "cannot prepare", where);
  const Handle creation = own(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "cannot prepare", where);
  check(H5Pset_obj_track_times(creation.get(), false), "cannot turn object times off", where);
  File file;
  file.path_ = path;
  file.handle_ = own(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose,
                     "cannot create", where);
  return file;
}

bool File::contains(const std::string& dataset) const {
  quiet();
  const htri_t there = H5Lexists(handle_.get(), dataset.c_str(), H5P_DEFAULT);
  if (there < 0) fail("cannot look for dataset " + dataset, path_.string());
  return there > 0;
}

Dataset File::dataset(const std::string& name) const {
  quiet();
  Dataset result;
  result.name_ = name;
  result.where_ = path_.string() + ", dataset " + name;
  const std::string& where = result.where_;
  if (!contains(name))
    throw_data("the dataset is missing", where,
               "the file is of another kind, or it is incomplete: anemll_cache info tells what it is");
  result.handle_ = own(H5Dopen2(handle_.get(), name.c_str(), H5P_DEFAULT), H5Dclose, "cannot open", where);
  const hid_t id = result.handle_.get();
  const Handle type = own(H5Dget_type(id), H5Tclose, "cannot get the type", where);
  result.type_ = classify(type.get());
  const Handle space = own(H5Dget_space(id), H5Sclose, "cannot get the shape", where);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 1 || rank > kMaxRank) {
    throw_data("has " + std::to_string(rank) + " dimensions", where,
               "the file is of another kind: anemll_cache info tells what it is");
  }
  hsize_t extent[kMaxRank] = {};
  if (H5Sget_simple_extent_dims(space.get(), extent, nullptr) < 0) fail("cannot get the shape", where);
  // The product of all extents times the element size must stay far from overflow everywhere below.
  std::size_t bytes = result.type_ ? size_of(*result.type_) : 1;
  for (int i = 0; i < rank; ++i) {
    if (extent[i] > 0 && bytes > (std::numeric_limits<std::size_t>::max() >> 2) / extent[i]) {
      throw_data("is impossibly large", where,
                 "a number in the file is wrong: it was cut off by a copy or damaged; copy it again, and "
                 "anemll_cache verify "
                 "it");
    }
    if (extent[i] > 0) bytes *= extent[i];
    result.shape_.push_back(static_cast<std::int64_t>(extent[i]));
  }
  result.row_bytes_ = extent[0] > 0 ? bytes / extent[0] : bytes;
  const Handle list = own(H5Dget_create_plist(id), H5Pclose, "cannot get the layout", where);
  if (H5Pget_layout(list.get()) == H5D_CHUNKED) {
    hsize_t chunk[kMaxRank] = {};
    if (H5Pget_chunk(list.get(), kMaxRank, chunk) < 0) fail("cannot get the chunk shape", where);
    result.chunk_rows_ = static_cast<std::int64_t>(chunk[0]);
  }
  return result;
}

Dataset File::create_dataset(const std::string& name, DType type, const std::vector<std::int64_t>& shape,
                             int compress) {
  quiet();
  const std::string where = path_.string() + ", dataset " + name;
  hsize_t extent[kMaxRank] = {};
  for (std::size_t i = 0; i < shape.size(); ++i) extent[i] = static_cast<hsize_t>(shape[i]);
  const Handle list = own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "cannot prepare", where);
  check(H5Pset_obj_track_times(list.get(), false), "cannot turn object times off", where);
  if (compress > 0) {
    hsize_t chunk[kMaxRank];
    std::copy(std::begin(extent), std::end(extent), std::begin(chunk));
    chunk[0] = 1;
    check(H5Pset_chunk(list.get(), static_cast<int>(shape.size()), chunk), "cannot set the chunk shape",
          where);
    check(H5Pset_shuffle(list.get()), "cannot use the shuffle filter", where);
    check(H5Pset_deflate(list.get(), static_cast<unsigned>(compress)), "cannot use the deflate filter",
          where);
  }
  const Handle file_type = make_type(type, false, where);
  const Handle space = own(H5Screate_simple(static_cast<int>(shape.size()), extent, nullptr), H5Sclose,
                           "cannot make a data space", where);
  // The returned object holds the handle opened by name, so that both paths share one description.
  own(H5Dcreate2(handle_.get(), name.c_str(), file_type.get(), space.get(), H5P_DEFAULT, list.get(),
                 H5P_DEFAULT),
      H5Dclose, "cannot create", where);
  return dataset(name);
}

bool File::has_attribute(const std::string& name) const {
  quiet();
  return attribute_exists(handle_.get(), name, path_.string());
}

std::string File::text(const std::string& name) const {
  quiet();
  return read_text(handle_.get(), name, path_.string());
}

std::int64_t File::integer(const std::string& name) const {
  quiet();
  const std::string action = "cannot read attribute " + name;
  const Handle attribute =
      own(H5Aopen(handle_.get(), name.c_str(), H5P_DEFAULT), H5Aclose, action, path_.string());
  const Handle type = own(H5Aget_type(attribute.get()), H5Tclose, action, path_.string());
  const Handle space = own(H5Aget_space(attribute.get()), H5Sclose, action, path_.string());
  if (H5Tget_class(type.get()) != H5T_INTEGER || H5Sget_simple_extent_npoints(space.get()) != 1) {
    throw_data("attribute " + name + " is not one integer", path_.string(),
               "make the cache again with anemll_precompute or anemll_cache import");
  }
  std::int64_t value = 0;
  check(H5Aread(attribute.get(), H5T_NATIVE_INT64, &value), action, path_.string());
  return value;
}

void File::set_text(const std::string& name, std::string_view text) {
  quiet();
  write_text(handle_.get(), name, text, path_.string());
}

void File::set_integer(const std::string& name, std::int64_t value) {
  quiet();
  write_attribute(handle_.get(), name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value, path_.string());
}

void File::close() {
  quiet();
  if (handle_.get() < 0) return;
  check(H5Fflush(handle_.get(), H5F_SCOPE_LOCAL), "cannot write", path_.string());
  if (H5Fclose(handle_.release()) < 0) fail("cannot write", path_.string());
}

}  // namespace anemll::h5
