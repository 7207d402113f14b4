//! Packages as they are stored: a zip file, or a folder.

use std::{
    fs,
    io::{self, Cursor, Read as _, Write as _},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, ZipArchive, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::File;

/// More than this is no package of ours.
const MOST_FILES: usize = 1_000;
const MOST_BYTES: u64 = 256 << 20;

/// Why a package cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: not a zip file that can be read", path.display())]
    Zip { path: PathBuf, source: ZipError },
    #[error("{}: no package: it has more than {MOST_FILES} files, or {} MiB", .0.display(), MOST_BYTES >> 20)]
    TooMuch(PathBuf),
    #[error(
        "{}: has {file}, which would be deployed as well; give a new folder, or remove it", folder.display()
    )]
    Stranger { folder: PathBuf, file: String },
}

impl Error {
    fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// The same bytes for the same files, on every machine: they carry no time.
pub fn zipped(files: &[File]) -> Result<Vec<u8>, ZipError> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for File { path, mode, bytes } in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(mode.unwrap_or(0o644));
        writer.start_file(path.as_str(), options)?;
        writer.write_all(bytes)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// Writes the files into a folder, which is made if it is not there. It may hold an older package, and nothing else.
pub fn write_folder(files: &[File], folder: &Path) -> Result<(), Error> {
    if folder.exists() {
        let is_ours = |there: &File| files.iter().any(|file| file.path == there.path);
        if let Some(File { path: file, .. }) = read_folder(folder)?.into_iter().find(|there| !is_ours(there))
        {
            return Err(Error::Stranger { folder: folder.to_owned(), file });
        }
    }
    for File { path, mode, bytes } in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
        fs::write(&path, bytes).map_err(Error::io(&path))?;
        set_mode(&path, mode.unwrap_or(0o644)).map_err(Error::io(&path))?;
    }
    Ok(())
}

/// The files of a zip file, or below a folder, ordered by path.
pub fn read(path: &Path) -> Result<Vec<File>, Error> {
    let mut files = if path.is_dir() { read_folder(path)? } else { read_zip(path)? };
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read_zip(path: &Path) -> Result<Vec<File>, Error> {
    let zip = |source| Error::Zip { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(Error::io(path))?;
    let mut archive = ZipArchive::new(file).map_err(zip)?;
    if archive.len() > MOST_FILES {
        return Err(Error::TooMuch(path.to_owned()));
    }
    let (mut files, mut left) = (Vec::new(), MOST_BYTES);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(zip)?;
        if entry.is_dir() {
            continue;
        }
        let mut bytes = Vec::new();
        // What it says of its size may be wrong.
        entry.by_ref().take(left + 1).read_to_end(&mut bytes).map_err(Error::io(path))?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(|| Error::TooMuch(path.to_owned()))?;
        let mode = entry.unix_mode().map(|mode| mode & 0o777);
        let inside = entry.name().map_err(zip)?.into_owned();
        files.push(File { path: inside, mode, bytes });
    }
    Ok(files)
}

fn read_folder(folder: &Path) -> Result<Vec<File>, Error> {
    let (mut files, mut left) = (Vec::new(), MOST_BYTES);
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).map_err(Error::io(&inner))? {
            let path = entry.map_err(Error::io(&inner))?.path();
            let metadata = fs::metadata(&path).map_err(Error::io(&path))?;
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            left = left
                .checked_sub(metadata.len())
                .filter(|_| files.len() < MOST_FILES)
                .ok_or_else(|| Error::TooMuch(folder.to_owned()))?;
            let bytes = fs::read(&path).map_err(Error::io(&path))?;
            let inside = path.strip_prefix(folder).unwrap_or(&path);
            let parts = inside.components().map(|part| part.as_os_str().to_string_lossy());
            files.push(File { path: parts.collect::<Vec<_>>().join("/"), mode: mode_of(&metadata), bytes });
        }
    }
    Ok(files)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn mode_of(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode_of(_: &fs::Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
