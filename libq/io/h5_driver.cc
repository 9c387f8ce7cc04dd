#include "io/h5_driver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>

#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>  // where HDF5 1.14 keeps what drivers need
#endif

namespace q::h5 {

namespace {

constexpr haddr_t kMaxAddress = static_cast<haddr_t>(std::numeric_limits<off_t>::max());
// Linux moves no more at a time.
constexpr size_t kMaxPiece = 0x7ffff000;

// HDF5 knows the first member, and hands out pointers to it.
struct File {
  H5FD_t known{};
  int fd = -1;
  haddr_t allocated = 0, end = 0;  // as HDF5 sees the file, and as the system does
  dev_t device = 0;
  ino_t inode = 0;
};

File& file_of(H5FD_t* file) { return *reinterpret_cast<File*>(file); }
const File& file_of(const H5FD_t* file) { return *reinterpret_cast<const File*>(file); }

// Tells HDF5's error stack what the system said, in the words by which h5.cc knows it.
herr_t fail_io(hid_t minor) {
  const std::string what = std::string("error message = '") + std::strerror(errno) + "'";
  H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_IO, minor, "%s", what.c_str());
  return -1;
}

H5FD_t* open_file(const char* name, unsigned flags, hid_t, haddr_t) {
  int how = (flags & H5F_ACC_RDWR) != 0 ? O_RDWR : O_RDONLY;
  if ((flags & H5F_ACC_TRUNC) != 0) how |= O_TRUNC;
  if ((flags & H5F_ACC_CREAT) != 0) how |= O_CREAT;
  if ((flags & H5F_ACC_EXCL) != 0) how |= O_EXCL;
  const int fd = open(name, how | O_CLOEXEC, 0666);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    fail_io(H5E_CANTOPENFILE);
    if (fd >= 0) close(fd);
    return nullptr;
  }
  File* file =
      new (std::nothrow) File{{}, fd, 0, static_cast<haddr_t>(status.st_size), status.st_dev, status.st_ino};
  if (file == nullptr) {
    close(fd);
    return nullptr;
  }
  return &file->known;
}

herr_t close_file(H5FD_t* file) {
  const int result = close(file_of(file).fd);
  if (result != 0) fail_io(H5E_CANTCLOSEFILE);
  delete &file_of(file);
  return result;
}

int compare(const H5FD_t* a, const H5FD_t* b) {
  const auto key = [](const H5FD_t* file) { return std::pair(file_of(file).device, file_of(file).inode); };
  if (key(a) == key(b)) return 0;
  return key(a) < key(b) ? -1 : 1;
}

// All that HDF5's own driver offers but H5FD_FEAT_POSIX_COMPAT_HANDLE, for which HDF5 asks for the real path.
herr_t query(const H5FD_t*, unsigned long* flags) {
  if (flags != nullptr)
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t allocated(const H5FD_t* file, H5FD_mem_t) { return file_of(file).allocated; }
herr_t set_allocated(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  file_of(file).allocated = address;
  return 0;
}
haddr_t end_of(const H5FD_t* file, H5FD_mem_t) { return file_of(file).end; }

herr_t handle_of(H5FD_t* file, hid_t, void** handle) {
  *handle = &file_of(file).fd;
  return 0;
}

bool is_outside(haddr_t address, size_t size) {
  return address > kMaxAddress || size > kMaxAddress - address;
}

// What lies behind the end of the file is zero.
herr_t read_bytes(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t size, void* to) {
  errno = EOVERFLOW;
  if (is_outside(address, size)) return fail_io(H5E_READERROR);
  for (auto* at = static_cast<char*>(to); size > 0;) {
    const ssize_t got = pread(file_of(file).fd, at, std::min(size, kMaxPiece), static_cast<off_t>(address));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_io(H5E_READERROR);
    if (got == 0) {
      std::memset(at, 0, size);
      break;
    }
    at += got;
    size -= static_cast<size_t>(got);
    address += static_cast<haddr_t>(got);
  }
  return 0;
}

herr_t write_bytes(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t size, const void* from) {
  errno = EOVERFLOW;
  if (is_outside(address, size)) return fail_io(H5E_WRITEERROR);
  for (const auto* at = static_cast<const char*>(from); size > 0;) {
    const ssize_t put = pwrite(file_of(file).fd, at, std::min(size, kMaxPiece), static_cast<off_t>(address));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_io(H5E_WRITEERROR);
    at += put;
    size -= static_cast<size_t>(put);
    address += static_cast<haddr_t>(put);
  }
  file_of(file).end = std::max(file_of(file).end, address);
  return 0;
}

herr_t truncate_file(H5FD_t* file, hid_t, hbool_t) {
  File& own = file_of(file);
  if (own.allocated == own.end) return 0;
  if (ftruncate(own.fd, static_cast<off_t>(own.allocated)) != 0) return fail_io(H5E_SEEKERROR);
  own.end = own.allocated;
  return 0;
}

// The members that HDF5 1.14 has more: without them it takes the driver for a foreign one.
template <typename Class>
void set_version(Class& driver) {
  if constexpr (requires { driver.version; }) {
    driver.version = 1;
    driver.value =
        static_cast<decltype(driver.value)>(511);  // the last of those for use without registration
  }
}

H5FD_class_t make_class() {
  H5FD_class_t driver{};
  set_version(driver);
  driver.name = "descriptor";
  driver.maxaddr = kMaxAddress;
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.open = open_file;
  driver.close = close_file;
  driver.cmp = compare;
  driver.query = query;
  driver.get_eoa = allocated;
  driver.set_eoa = set_allocated;
  driver.get_eof = end_of;
  driver.get_handle = handle_of;
  driver.read = read_bytes;
  driver.write = write_bytes;
  driver.truncate = truncate_file;
  const H5FD_mem_t shared[] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(shared), std::end(shared), driver.fl_map);
  return driver;
}

}  // namespace

hid_t descriptor_driver() {
  static const H5FD_class_t driver = make_class();
  static const hid_t id = H5FDregister(&driver);
  return id;
}

}  // namespace q::h5
